"""A grid of small pictures with a word under each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.formats.images import Image, resize

SIDE = 96
CAPTION = 16


def thumbnails(images: Sequence[tuple[Image, str]]) -> NDArray[np.uint8]:
    """One BGR image: each picture (BGR, HWC) fitted into a square cell, its caption under it."""
    columns = max(1, math.ceil(math.sqrt(len(images))))
    rows = max(1, math.ceil(len(images) / columns))
    grid = np.zeros((rows * (SIDE + CAPTION), columns * SIDE, 3), np.uint8)
    for i, (image, caption) in enumerate(images):
        top, left = i // columns * (SIDE + CAPTION), i % columns * SIDE
        grid[top : top + SIDE, left : left + SIDE] = resize(image, SIDE, SIDE, "pad")
        place = (left + 3, top + SIDE + CAPTION - 4)
        cv2.putText(grid, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255))
    return grid
