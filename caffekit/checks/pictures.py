"""Small colour pictures from what clean keeps of each image: 32 × 32 grey and 4 × 4 colour."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.checks.features import CHROMA_CELLS, THUMB

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
# Records of table.PICTURE.
Pictures = NDArray[Any]

# Classes of digits and of traffic signs differ from their mirror images by 20 to 30 % of all that varies,
# photographs of things by less than 1 %.
ASYMMETRY = 0.02
LEAST = 20

_SPREAD = np.asarray(
    cv2.resize(np.eye(CHROMA_CELLS, dtype=np.float32), (CHROMA_CELLS, THUMB), interpolation=cv2.INTER_LINEAR)
)


def planes(pictures: Pictures) -> Floats:
    """N × 3 × 32 × 32: grey, Cr and Cb, around 0."""
    out = np.empty((len(pictures), 3, THUMB, THUMB), np.float32)
    out[:, 0] = pictures["thumb"]
    out[:, 0] -= 128
    chroma = np.moveaxis(pictures["chroma"].astype(np.float32), 3, 1)
    out[:, 1:] = _SPREAD @ chroma @ _SPREAD.T
    return out


def mirror_safe(pictures: Pictures, codes: Ints) -> bool:
    """Whether a mirrored image is still one of its class: no class has a side, on average.

    Compares the mean difference of a class's images from their mirror images with their differences.
    """
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        if count < LEAST:
            continue
        gray = pictures["thumb"][codes == code].astype(np.float32)
        difference = (gray - gray[..., ::-1]).reshape(count, -1)
        every = float((difference**2).sum(1).mean())
        # A mean of `count` is this much by chance alone.
        shared = float((difference.mean(0) ** 2).sum()) - every / count
        if every and shared > ASYMMETRY * every:
            return False
    return True
