"""JPEG files whose bytes can go into a database as they are."""

from __future__ import annotations

import simplejpeg

APP1, SCAN = 0xE1, 0xDA
END = b"\xff\xd9"
END_WITHIN = 1024


def plain_jpeg(data: bytes, verify: bool) -> tuple[int, int] | None:
    """(height, width) of a colour JPEG that Caffe, which turns none, decodes to the pixels of images.decode.

    None for all others: other colours, an EXIF block, no end marker, and with `verify` (all of its entropy
    code is read, for half the work of decoding it) any complaint of strict libjpeg.
    """
    if not data.startswith(b"\xff\xd8\xff") or END not in data[-END_WITHIN:] or _may_have_exif(data):
        return None
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        if colorspace != "YCbCr":
            return None
        if verify:
            simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1)
    except (ValueError, KeyError):
        return None
    return height, width


def _may_have_exif(data: bytes) -> bool:
    """Whether a segment before the pixels is EXIF; of segments that do not follow each other, yes."""
    at = 2
    while at + 8 < len(data) and data[at] == 0xFF:
        if data[at + 1] == SCAN:
            return False
        if data[at + 1] == APP1 and data[at + 4 : at + 8] == b"Exif":
            return True
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True
