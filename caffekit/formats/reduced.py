"""Image files → small pixels, as strictly as in full size, for measuring what does not need every pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import simplejpeg

from caffekit.formats.image_header import sniff, stated_size
from caffekit.formats.image_traits import jpeg_orientation
from caffekit.formats.images import MAX_PIXELS, Image, decode

EIGHTHS = (1, 2, 4)  # what libjpeg scales by quickly while it decodes
# Of EXIF's orientations, after the axes were swapped from 5 on: which axes are mirrored (as cv2.flip has it).
MIRRORED = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


class Reduced(NamedTuple):
    """Pixels (height × width × 3, BGR, turned as EXIF says) of an image that has `width` × `height`."""

    image: Image
    width: int
    height: int


def decode_reduced(data: bytes, short: int, on_flaw: Callable[[str], object] = lambda flaw: None) -> Reduced:
    """`decode(data)` by an eighth, a quarter, a half or whole: its shorter side has `short` pixels or more.

    Damage is found as in full size: the whole entropy code is read. BadImage as of `decode`.
    """
    kind = sniff(data)
    if kind == "jpeg":
        reduced = _jpeg(data, short, on_flaw)
        if reduced:
            return reduced
    image = decode(data, on_flaw=on_flaw)
    height, width = image.shape[:2]
    eighths = _eighths(width, height, short)
    if eighths < 8:
        size = (-(-width * eighths // 8), -(-height * eighths // 8))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Reduced(image, width, height)


def _eighths(width: int, height: int, short: int) -> int:
    return next((k for k in EIGHTHS if min(width, height) * k >= short * 8), 8)


def _jpeg(data: bytes, short: int, on_flaw: Callable[[str], object]) -> Reduced | None:
    """Scaled by libjpeg itself; None for what it does not read as OpenCV does: `decode` has the word then."""
    width, height = stated_size(data, "jpeg")
    if width * height > MAX_PIXELS:
        return None
    eighths = _eighths(width, height, short)
    try:
        stored = simplejpeg.decode_jpeg_header(data)[2]
        if stored not in ("YCbCr", "Gray"):
            return None
        colorspace = "BGR" if stored == "YCbCr" else "GRAY"
        least = {"min_width": -(-width * eighths // 8), "min_height": -(-height * eighths // 8)}
        pixels: Any = simplejpeg.decode_jpeg(data, colorspace, **least)
    except (ValueError, KeyError):
        return None
    image = cast(Image, pixels)
    if stored == "Gray":
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    orientation = jpeg_orientation(data) if b"Exif" in data[:65536] else 1
    if orientation >= 5:
        width, height = height, width
    return Reduced(_turned(image, orientation), width, height)


def _turned(image: Image, orientation: int) -> Image:
    if orientation in range(5, 9):
        image = np.asarray(cv2.transpose(image), np.uint8)
    if orientation in MIRRORED:
        image = np.asarray(cv2.flip(image, MIRRORED[orientation]), np.uint8)
    return image
