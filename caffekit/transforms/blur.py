"""A random Gaussian blur."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def change(image: NDArray[np.uint8], sigma: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """`sigma`: the largest standard deviation, in pixels."""
    drawn = random.uniform(0, sigma)
    if drawn < 0.1:  # no visible change, and OpenCV would choose a sigma of its own for 0
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), drawn), np.uint8).reshape(image.shape)
