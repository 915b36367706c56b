"""A random zoom about the centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def matrix(
    factors: tuple[float, float], width: int, height: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """`factors`: the zoom, from … to; below 1 the image shrinks and its edge fills what is left."""
    factor = random.uniform(*factors)
    x, y = (width - 1) / 2, (height - 1) / 2
    return np.array([[factor, 0, x - factor * x], [0, factor, y - factor * y], [0, 0, 1]])
