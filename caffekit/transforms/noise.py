"""Gaussian noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def change(image: NDArray[np.uint8], std: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """`std`: the largest standard deviation, in grey levels; each image draws its own."""
    noisy = image + random.uniform(0, std) * random.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
