"""Gaussian noise."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

BANK = 1 << 20  # drawing normals anew for each image takes ten times as long as all other changes


def change(image: NDArray[np.uint8], std: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """`std`: the largest standard deviation, in grey levels; each image draws its own."""
    bank, size = _bank(), image.size
    start = int(random.integers(BANK))
    normals = np.resize(bank, start + size)[start:] if size > BANK else bank[start : start + size]
    normals = normals[None] * np.float32(random.uniform(0, std))
    # As matrices of one row: OpenCV takes a vector of up to four numbers for a colour.
    return np.asarray(cv2.add(image.reshape(1, -1), normals, dtype=cv2.CV_8U), np.uint8).reshape(image.shape)


@cache
def _bank() -> NDArray[np.float32]:
    """Normal numbers, always the same, twice in a row: an image takes a run of them from a random place."""
    return np.tile(np.random.default_rng(0).standard_normal(BANK, np.float32), 2)
