"""Image files ↔ pixels, strictly: damaged files are refused, whole ones read as convert_imageset reads them.

Pixels are `cv2.imdecode(…, IMREAD_COLOR)`'s (IMREAD_GRAYSCALE for gray): BGR, 8 bits, no alpha, the first
frame, **turned as EXIF says**. That one rule holds everywhere in caffekit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from caffekit.formats.image_header import sniff, stated_size

Image = NDArray[np.uint8]

MAX_PIXELS = 100_000_000
# What strict libjpeg says about lost pixels; its other complaints are about headers, and OpenCV decides.
_TRUNCATED = re.compile(r"premature end", re.IGNORECASE)
_DAMAGED = re.compile(r"bad Huffman|instead of RST|bad arithmetic|Inconsistent progression", re.IGNORECASE)
_UNSUPPORTED = re.compile(
    r"^tjDecompress|^Unsupported color|^\d+$"
)  # simplejpeg's limits, no flaw of the file
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0x(d\d)")
LEFT_OVER_BYTES = 64  # zeroed blocks leave hundreds of bytes that no pixel needed; sloppy writers a few


class BadImage(ValueError):
    """An image that cannot be used: `reason` is a word of `clean`, `detail` a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def decode(
    data: bytes,
    gray: bool = False,
    max_pixels: int = MAX_PIXELS,
    on_flaw: Callable[[str], object] = lambda flaw: None,
) -> Image:
    """The pixels of an image file: uint8, height × width × 3 (BGR) or × 1 with `gray`.

    BadImage with the reason undecodable, truncated, wrong-format (not an image at all) or too-large (from
    the header, before decoding). `on_flaw` is told what is odd about a file whose pixels are whole.
    """
    kind = sniff(data)
    if not data:
        raise BadImage("undecodable", "empty file")
    if not kind:
        raise BadImage("wrong-format", "not an image file")
    width, height = stated_size(data, kind)
    if width * height > max_pixels:
        raise BadImage("too-large", f"{width}x{height} is more than {max_pixels} pixels")
    if kind == "jpeg":
        return _decode_jpeg(data, gray, on_flaw)
    if kind == "png" and b"IEND" not in data[-1024:] and b"IEND" not in data:
        raise BadImage("truncated", "PNG without its end marker")
    return _decode_cv2(data, gray, kind)


def resize(image: Image, width: int, height: int, fit: str = "squash") -> Image:
    """`image` as `width` × `height`, bilinear as convert_imageset does it (its pixels, with fit squash).

    squash: aspect is lost. crop: scaled to cover, the centre is cut out. pad: scaled to fit, black borders.
    """
    if fit == "squash":
        return _scale(image, width, height)
    rows, columns = image.shape[:2]
    factors = (width / columns, height / rows)
    factor = max(factors) if fit == "crop" else min(factors)
    inner_w, inner_h = max(1, round(columns * factor)), max(1, round(rows * factor))
    scaled = _scale(image, inner_w, inner_h)
    top, left = abs(inner_h - height) // 2, abs(inner_w - width) // 2
    if fit == "crop":
        return np.ascontiguousarray(scaled[top : top + height, left : left + width])
    out = np.zeros((height, width, image.shape[2]), np.uint8)
    out[top : top + inner_h, left : left + inner_w] = scaled
    return out


def resize_short(image: Image, short: int) -> Image:
    """`image` scaled so that its shorter side has `short` pixels, bilinear."""
    rows, columns = image.shape[:2]
    factor = short / min(rows, columns)
    return _scale(image, max(short, round(columns * factor)), max(short, round(rows * factor)))


def encode(image: Image, kind: str, quality: int = 95) -> bytes:
    """`image` as the bytes of a "png" or "jpg" file; `quality` (1 to 100) is JPEG's."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpg" else []
    done, data = cv2.imencode(f".{kind}", image, settings)
    if not done:
        raise ValueError(f"cannot encode {image.shape} as {kind}")
    return bytes(data)


@contextmanager
def silent_decoders() -> Iterator[None]:
    """Let libraries that write on stderr, without the name of the file, talk to nobody."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _scale(image: Image, width: int, height: int) -> Image:
    if image.shape[:2] == (height, width):
        return image
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    # cv2 drops a single channel's axis.
    return np.asarray(scaled, np.uint8).reshape(height, width, image.shape[2])


def _decode_jpeg(data: bytes, gray: bool, on_flaw: Callable[[str], object]) -> Image:
    """Strict libjpeg's pixels where OpenCV's are the same ones, so that most files are decoded once."""
    try:
        stored = simplejpeg.decode_jpeg_header(data)[2]
        if stored == "YCbCr" and not gray and b"Exif" not in data[:65536]:
            pixels: Any = simplejpeg.decode_jpeg(data, "BGR")
            return cast(Image, pixels)
        colorspace = "CMYK" if stored in ("CMYK", "YCCK") else "GRAY"
        simplejpeg.decode_jpeg(data, colorspace, min_height=48, min_width=48)
    except (ValueError, KeyError) as error:
        _judge(str(error))
        image = _decode_cv2(data, gray, "jpeg")
        if not _UNSUPPORTED.search(str(error)):
            on_flaw(str(error))
        return image
    return _decode_cv2(data, gray, "jpeg")


def _judge(complaint: str) -> None:
    left_over = _LEFT_OVER.search(complaint)
    if _TRUNCATED.search(complaint):
        raise BadImage("truncated", complaint)
    if _DAMAGED.search(complaint) or (left_over and int(left_over[1]) >= LEFT_OVER_BYTES):
        raise BadImage("undecodable", complaint)


def _decode_cv2(data: bytes, gray: bool, kind: str) -> Image:
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise BadImage("undecodable", f"{kind}: {error.err}") from error
    if image is None:
        raise BadImage("undecodable", f"OpenCV cannot decode this {kind} file")
    return np.asarray(image[:, :, None] if gray else image, np.uint8)


# Images are worked on side by side, by threads or processes of ours.
cv2.setNumThreads(1)
# OpenCV's own log repeats, without the file's name, what BadImage says. OPENCV_LOG_LEVEL brings it back.
if "OPENCV_LOG_LEVEL" not in os.environ:
    cv2.utils.logging.setLogLevel(0)
