"""The artefacts of a JPEG file of random quality."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def change(
    image: NDArray[np.uint8], qualities: tuple[float, float], random: np.random.Generator
) -> NDArray[np.uint8]:
    """`qualities`: JPEG's quality, from … to (1 to 100)."""
    quality = round(random.uniform(*qualities))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    flag = cv2.IMREAD_GRAYSCALE if image.shape[2] == 1 else cv2.IMREAD_COLOR
    return np.asarray(cv2.imdecode(data, flag), np.uint8).reshape(image.shape)
