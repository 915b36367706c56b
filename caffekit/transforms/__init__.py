"""Random changes to an image that leave its label true. Adding one: its file, its line here, its test.

A geometric transform gives the 3x3 matrix of what it does to pixel coordinates; all of them together become
one warp, so that the image is interpolated once. A pixel transform takes and gives uint8 HWC.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
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

KEPT_PIXELS = 1 << 20  # each thread's scratch images stay if they are no larger than this
_kept = threading.local()


def augment_image(image: Image, random: Random, changes: dict[str, Any]) -> Image:
    """`image` (uint8 HWC, 1 or 3 channels) changed at random as `changes` ({transform: its setting}) allows.

    The size stays. `changes` may name a "border" of BORDERS (default: edge). Transforms run in the order of
    TRANSFORMS.
    """
    height, width = image.shape[:2]
    matrix = np.eye(3)
    for name, geometry in GEOMETRY.items():
        if name in changes:
            matrix = geometry(changes[name], width, height, random) @ matrix
    if not np.array_equal(matrix, np.eye(3)):
        image = _warp(image, matrix, changes.get("border", "edge"))
    for name, change in PIXELS.items():
        if name in changes:
            image = change(image, changes[name], random)
    return image


def _warp(image: Image, matrix: Matrix, border: str) -> Image:
    height, width, channels = image.shape
    how: dict[str, Any] = {
        "M": matrix[:2], "dsize": (width, height), "flags": cv2.INTER_LINEAR,
        "borderMode": BORDERS[border], "borderValue": cv2.mean(image) if border == "mean" else (0.0,),
    }  # fmt: skip
    if channels != 3:
        # OpenCV drops the axis of a single channel.
        return np.asarray(cv2.warpAffine(image, **how), np.uint8).reshape(image.shape)
    # OpenCV warps four channels in a third of the time that it takes for three, to the same pixels.
    before, after = _scratch(height, width)
    cv2.cvtColor(image, cv2.COLOR_BGR2BGRA, dst=before)
    cv2.warpAffine(before, dst=after, **how)
    return np.asarray(cv2.cvtColor(after, cv2.COLOR_BGRA2BGR), np.uint8)


def _scratch(height: int, width: int) -> list[Image]:
    """Two images of four channels to work in. The kernel takes half as long for new ones as a warp does."""
    kept: list[Image] = getattr(_kept, "pair", [])
    if kept and kept[0].shape[:2] == (height, width):
        return kept
    pair = [np.empty((height, width, 4), np.uint8) for _ in range(2)]
    if height * width <= KEPT_PIXELS:
        _kept.pair = pair
    return pair


def random_for(seed: int, path: str, copy: int) -> Random:
    """The random stream of one copy of one image: the same whatever else is done, and by how many workers."""
    digest = hashlib.sha256(f"{seed}\0{path}\0{copy}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
