"""Random changes to an image that leave its label true. Adding one: its file, its line here, its test.

A geometric transform gives the 3x3 matrix of what it does to pixel coordinates; all of them together become
one warp, so that the image is interpolated once. A pixel transform takes and gives uint8 HWC.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import reduce
from typing import Any

import cv2
import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from caffekit.transforms import blur, color, crop, erase, flip, jpeg, noise, rotate, scale, shear

Image = NDArray[np.uint8]
Matrix = NDArray[np.float64]
Random = np.random.Generator

GEOMETRY: dict[str, Callable[[Any, int, int, Random], Matrix]] = {
    "crop": crop.matrix,
    "scale": scale.matrix,
    "rotate": rotate.matrix,
    "shear": shear.matrix,
    "flip": flip.matrix,
}
PIXELS: dict[str, Callable[[Image, Any, Random], Image]] = {
    "color": color.change,
    "blur": blur.change,
    "noise": noise.change,
    "erase": erase.change,
    "jpeg": jpeg.change,
}
TRANSFORMS = {**GEOMETRY, **PIXELS}

BORDERS = {"edge": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101, "mean": cv2.BORDER_CONSTANT}
"""What is seen where a warp reaches beyond the image. Mirroring shows things a second time, turned round:
that may be another class, so repeating the edge is the default."""

MARGIN = 8  # a frame of an eighth of the sides: a rotation by 15 degrees reaches no further
_SAME = np.eye(3)
KEPT_PIXELS = 1 << 20  # each thread's scratch images stay if they are no larger than this
_kept = threading.local()


def augment_image(image: Image, random: Random, changes: dict[str, Any]) -> Image:
    """`image` (uint8 HWC, 1 or 3 channels) changed at random as `changes` ({transform: its setting}) allows.

    The size stays. `changes` may name a "border" of BORDERS (default: edge). Transforms run in the order of
    TRANSFORMS.
    """
    height, width = image.shape[:2]
    matrices = [
        geometry(changes[name], width, height, random)
        for name, geometry in GEOMETRY.items()
        if name in changes
    ]
    matrix = reduce(lambda before, after: after @ before, matrices, _SAME)
    if not np.array_equal(matrix, _SAME):
        image = _warp(image, matrix, changes.get("border", "edge"))
    for name, change in PIXELS.items():
        if name in changes:
            image = change(image, changes[name], random)
    return image


def _warp(image: Image, matrix: Matrix, border: str) -> Image:
    height, width, channels = image.shape
    if np.array_equal(matrix, flip.mirror(width)):
        return np.asarray(cv2.flip(image, 1), np.uint8).reshape(image.shape)
    how: dict[str, Any] = {
        "M": matrix[:2], "dsize": (width, height), "flags": cv2.INTER_LINEAR,
        "borderMode": BORDERS[border], "borderValue": cv2.mean(image) if border == "mean" else (0.0,),
    }  # fmt: skip
    if channels != 3:
        # OpenCV drops the axis of a single channel.
        return np.asarray(cv2.warpAffine(image, **how), np.uint8).reshape(image.shape)
    # OpenCV warps four channels in a third of the time that it takes for three, to the same pixels; and what
    # lies within the image in half the time of what lies beyond, so that some of its edge is repeated first.
    rows, columns = (height // MARGIN, width // MARGIN) if border == "edge" else (0, 0)
    before, after = _scratch(height, width, rows, columns)
    cv2.cvtColor(image, cv2.COLOR_BGR2BGRA, dst=before[rows : rows + height, columns : columns + width])
    if border == "edge":
        _repeat_edge(before, rows, columns)
        how["M"] = matrix[:2] - matrix[:2, :2] @ [[0, 0, columns], [0, 0, rows]]
    cv2.warpAffine(before, dst=after, **how)
    return np.asarray(cv2.cvtColor(after, cv2.COLOR_BGRA2BGR), np.uint8)


def _repeat_edge(framed: Image, rows: int, columns: int) -> None:
    """Fill the frame of an image of four channels, `rows` high and `columns` wide, with the image's edge."""
    pixels = framed.view(np.uint32)[..., 0]
    inner = pixels[rows : len(pixels) - rows]
    inner[:, :columns] = inner[:, columns, None]
    inner[:, inner.shape[1] - columns :] = inner[:, inner.shape[1] - columns - 1, None]
    pixels[:rows] = inner[0]
    pixels[len(pixels) - rows :] = inner[-1]


def _scratch(height: int, width: int, rows: int, columns: int) -> tuple[Image, Image]:
    """Two images of four channels to work in, the first with a frame. New ones would cost half a warp."""
    shapes = (height + 2 * rows, width + 2 * columns, 4), (height, width, 4)
    kept: tuple[Image, Image] | None = getattr(_kept, "pair", None)
    if kept and (kept[0].shape, kept[1].shape) == shapes:
        return kept
    pair = np.empty(shapes[0], np.uint8), np.empty(shapes[1], np.uint8)
    if height * width <= KEPT_PIXELS:
        _kept.pair = pair
    return pair


class _Digest(ISeedSequence):
    """A digest as the seed of a random stream: numpy's own stirring of seeds takes ten times as long."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """`n_words` numbers of the digest's 32 bytes."""
        return np.frombuffer(self.digest, dtype, n_words)


def random_for(seed: int, path: str, copy: int) -> Random:
    """The random stream of one copy of one image: the same whatever else is done, and by how many workers."""
    digest = hashlib.sha256(f"{seed}\0{path}\0{copy}".encode()).digest()
    seeded: Any = _Digest(digest)  # numpy's annotations do not know its ISeedSequence
    return np.random.Generator(np.random.PCG64(seeded))
