"""Random brightness, contrast and saturation, as one linear map of the channels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Each channel as grey: of blue, green and red (ITU-R BT.601), as OpenCV weighs them.
GRAY = np.tile([0.114, 0.587, 0.299], (3, 1))


def change(image: NDArray[np.uint8], share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """`share`: each of the three changes by up to this share, either way."""
    brightness, contrast, saturation = 1 + random.uniform(-share, share, 3)
    channels = image.shape[2]
    mix = np.eye(channels)
    if channels == 3:
        mix = saturation * mix + (1 - saturation) * GRAY
    mean = np.array(cv2.mean(image)[:channels])
    offset = brightness * (1 - contrast) * (mix @ mean)
    matrix = np.column_stack([brightness * contrast * mix, offset])
    changed = cv2.transform(image, matrix)  # saturates at 0 and 255
    return np.asarray(changed, np.uint8).reshape(image.shape)
