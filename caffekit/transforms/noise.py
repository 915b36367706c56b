"""Gaussian noise."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

BANK = 1 << 20  # drawing normals anew for each image takes ten times as long as all other changes
LEVELS = 32  # in a standard deviation: the bank's bytes take half the time that floats take
ZERO = 128


def change(image: NDArray[np.uint8], std: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """`std`: the largest standard deviation, in grey levels; each image draws its own."""
    bank, size = _bank(), image.size
    start = int(random.integers(BANK))
    run = np.resize(bank, start + size)[start:] if size > BANK else bank[start : start + size]
    level = random.uniform(0, std) / LEVELS
    # As matrices of one row: OpenCV takes a vector of up to four numbers for a colour.
    noisy = cv2.addWeighted(image.reshape(1, -1), 1, run[None], level, -ZERO * level)
    return np.asarray(noisy, np.uint8).reshape(image.shape)


@cache
def _bank() -> NDArray[np.uint8]:
    """Normal numbers, always the same, twice in a row: an image takes a run of them from a random place.

    In LEVELS of the deviation about ZERO; one in 16,000 lies beyond a byte and is brought to its end.
    """
    normals = np.random.default_rng(0).standard_normal(BANK, np.float32)
    return np.tile(np.clip(np.rint(normals * LEVELS + ZERO), 0, 255).astype(np.uint8), 2)
