"""A random slant about the centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def matrix(degrees: float, width: int, height: int, random: np.random.Generator) -> NDArray[np.float64]:
    """`degrees`: how far upright lines lean at most, either way; rows stay where they are."""
    lean = np.tan(np.deg2rad(random.uniform(-degrees, degrees)))
    return np.array([[1.0, lean, -lean * (height - 1) / 2], [0, 1, 0], [0, 0, 1]])
