"""A random rotation about the centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def matrix(degrees: float, width: int, height: int, random: np.random.Generator) -> NDArray[np.float64]:
    """`degrees`: the largest angle, either way."""
    angle = np.deg2rad(random.uniform(-degrees, degrees))
    c, s = np.cos(angle), np.sin(angle)
    x, y = (width - 1) / 2, (height - 1) / 2
    return np.array([[c, s, x - c * x - s * y], [-s, c, y + s * x - c * y], [0, 0, 1]])
