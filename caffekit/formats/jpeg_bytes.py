"""JPEG files whose bytes can go into a database as they are."""

from __future__ import annotations

import simplejpeg

EXIF_WITHIN = 65536  # bytes; behind them nobody looks for an orientation
END = b"\xff\xd9"
END_WITHIN = 1024


def plain_jpeg(data: bytes, verify: bool) -> tuple[int, int] | None:
    """(height, width) of a colour JPEG that Caffe, which turns none, decodes to the pixels of images.decode.

    None for all others: other colours, an EXIF block, no end marker, and with `verify` (all of its entropy
    code is read, for half the work of decoding it) any complaint of strict libjpeg.
    """
    if not data.startswith(b"\xff\xd8\xff") or b"Exif" in data[:EXIF_WITHIN] or END not in data[-END_WITHIN:]:
        return None
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        if colorspace != "YCbCr":
            return None
        if verify:
            simplejpeg.decode_jpeg(data, "GRAY", min_height=48, min_width=48)
    except (ValueError, KeyError):
        return None
    return height, width
