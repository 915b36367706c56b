"""Random brightness, contrast and saturation, as one linear map of the channels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

GRAY = (0.114, 0.587, 0.299)  # blue, green and red as grey (ITU-R BT.601), as OpenCV weighs them


def change(image: NDArray[np.uint8], share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """`share`: each of the three changes by up to this share, either way."""
    brightness, contrast, saturation = (1 + random.uniform(-share, share, 3)).tolist()
    mean = cv2.mean(image)
    gain, lift = brightness * contrast, brightness * (1 - contrast)
    if image.shape[2] == 1:
        matrix = [[gain, lift * mean[0]]]
    else:
        # In Python's own numbers: for twelve of them numpy would take half as long as for the pixels.
        gray = [(1 - saturation) * weight for weight in GRAY]
        shade = sum(weight * value for weight, value in zip(gray, mean, strict=False))
        matrix = [
            [gain * weight for weight in gray] + [lift * (saturation * value + shade)] for value in mean[:3]
        ]
        for channel in range(3):
            matrix[channel][channel] += gain * saturation
    changed = cv2.transform(image, np.array(matrix))  # saturates at 0 and 255
    return np.asarray(changed, np.uint8).reshape(image.shape)
