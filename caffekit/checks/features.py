"""Numbers that describe a picture: its hash, its edges, its sharpness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]

THUMB = 32
CHROMA_CELLS = 4
DIRECTIONS = 8
CELLS = 6
TILE = 32
LEAST_SIDE = 64  # below it a drawing and a blurred photo look the same
WINDOW = 1024
FURTHER = 3**0.5  # pixels of blur from 1 to 2


def shrink(image: Gray, side: int) -> Gray:
    """`image` with at most `side` × `side` pixels; smaller sides stay as they are.

    Quickly (bilinear) to twice the size, then by area: the same to the eye as by area at once, far cheaper.
    """
    height, width = image.shape[:2]
    near = (min(width, 2 * side), min(height, 2 * side))
    if near != (width, height):
        image = np.asarray(cv2.resize(image, near, interpolation=cv2.INTER_LINEAR), np.uint8)
    size = (min(width, side), min(height, side))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def thumbnail(gray: Gray) -> Gray:
    """32 × 32 grey, whatever the aspect."""
    return np.asarray(cv2.resize(gray, (THUMB, THUMB), interpolation=cv2.INTER_AREA), np.uint8)


def phash(thumb: Gray) -> int:
    """64 bits: which of the 8 × 8 lowest frequencies of the cosine transform are above their median."""
    low = cv2.dct(thumb.astype(np.float32))[:8, :8].ravel()
    bits = low > np.partition(low[1:], 31)[31]  # 63 without the mean grey
    return int.from_bytes(np.packbits(bits).tobytes())


def chroma(image: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Cr and Cb of 4 × 4 cells, 0 for grey: two pictures that differ in colour alone are not copies."""
    cells = cv2.resize(image, (CHROMA_CELLS, CHROMA_CELLS), interpolation=cv2.INTER_AREA)
    return (np.asarray(cv2.cvtColor(cells, cv2.COLOR_BGR2YCrCb), np.int16)[..., 1:] - 128).astype(np.int8)


def extremes(gray: Gray) -> tuple[float, float]:
    """The grey levels that 1 % of the pixels stay below, and 99 %."""
    levels = np.cumsum(cv2.calcHist([gray], [0], None, [256], [0, 256]))
    low, high = np.searchsorted(levels, [0.01 * gray.size, 0.99 * gray.size]).tolist()
    return float(low), float(high)


def edges(thumb: Gray) -> NDArray[np.float16]:
    """Strength of edges in 8 directions and 6 × 6 cells, 288 numbers of norm 1.

    As in HOG (Dalal and Triggs 2005).
    """
    values = thumb.astype(np.float32)
    dx, dy = cv2.Sobel(values, cv2.CV_32F, 1, 0), cv2.Sobel(values, cv2.CV_32F, 0, 1)
    direction = (np.arctan2(dy, dx) / (2 * np.pi) % 1) * DIRECTIONS
    # Each edge counts for the two directions nearest to its own.
    lower = np.floor(direction)
    share = direction - lower
    first, second = lower % DIRECTIONS, (lower + 1) % DIRECTIONS
    each = np.arange(DIRECTIONS)
    planes = (first[..., None] == each) * (1 - share)[..., None]
    planes += (second[..., None] == each) * share[..., None]
    planes = cv2.GaussianBlur((planes * np.hypot(dx, dy)[..., None]).astype(np.float32), (0, 0), 3)
    # OpenCV averages areas of up to four channels at a time.
    halves = [
        cv2.resize(half, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for half in np.split(planes, 2, 2)
    ]
    cells = np.sqrt(np.concatenate(halves, axis=2)).ravel()
    unit: NDArray[np.float16] = (cells / (np.linalg.norm(cells) + 1e-9)).astype(np.float16)
    return unit


def sharpness(gray: Gray) -> float:
    """Energy of details of 0 to 1 pixel over that of 1 to 2 pixels, in the sharpest tiles; nan if too small.

    A blur takes the finest details first, whatever the picture shows; a sharp foreground is enough.
    """
    if min(gray.shape) < LEAST_SIDE:
        return float("nan")
    top, left = ((side - min(side, WINDOW)) // 2 for side in gray.shape)
    values = gray[top : top + WINDOW, left : left + WINDOW].astype(np.float32)
    once = cv2.GaussianBlur(values, (7, 7), 1)
    twice = cv2.GaussianBlur(once, (9, 9), FURTHER)
    fine, coarse = _tiles((values - once) ** 2), _tiles((once - twice) ** 2)
    sharpest = np.argsort(coarse)[-max(1, len(coarse) // 10) :]
    if coarse[sharpest].mean() < 1:  # nothing to see: a matter of low-information
        return float("nan")
    return float(fine[sharpest].sum() / coarse[sharpest].sum())


def _tiles(values: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (side // TILE for side in values.shape)
    whole = values[: height * TILE, : width * TILE]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32).ravel()
