"""A random part of the image, enlarged to its size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def matrix(
    sides: tuple[float, float], width: int, height: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """`sides`: the crop's side as a share of the image's, from … to (both within 0 … 1)."""
    share = random.uniform(*sides)
    left, top = random.uniform(0, width * (1 - share)), random.uniform(0, height * (1 - share))
    return np.array([[1 / share, 0, -left / share], [0, 1 / share, -top / share], [0, 0, 1]])
