"""A random rectangle, erased (Zhong et al. 2017)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

AREA = (0.02, 0.2)  # of the image
ASPECT = 3.0  # at most, either way


def change(image: NDArray[np.uint8], probability: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """With `probability`, fill a rectangle of 2 to 20 % of the area with the image's mean colour."""
    if random.random() >= probability:
        return image
    height, width = image.shape[:2]
    area = random.uniform(*AREA) * height * width
    aspect = np.exp(random.uniform(-np.log(ASPECT), np.log(ASPECT)))
    h = min(height, max(1, round(np.sqrt(area * aspect))))
    w = min(width, max(1, round(np.sqrt(area / aspect))))
    top, left = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
    out = image.copy()
    out[top : top + h, left : left + w] = np.rint(cv2.mean(image)[: image.shape[2]])
    return out
