"""A mirror image, every second time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def matrix(on: bool, width: int, height: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Left and right change places with probability one half: not for letters or digits."""
    if not on or random.random() < 0.5:
        return np.eye(3)
    return mirror(width)


def mirror(width: int) -> NDArray[np.float64]:
    """Left and right change places."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])
