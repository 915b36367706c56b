"""What is special about an image file, by its header: what decoding turns, drops or narrows; bytes behind it.

The rule for each stands in formats.images: 8 bits, BGR, no alpha, the first frame, turned as EXIF says.
"""

from __future__ import annotations

import re
import struct

TURNED, DEEP, PALETTE, ALPHA = "turned by EXIF", "16 bits narrowed to 8", "palette", "alpha dropped"
ANIMATED, CMYK, GRAY = "first frame of several", "CMYK", "gray"
_PNG_END = b"IEND\xaeB`\x82"
_ORIENTATION = 0x0112
_HEADER = 1 << 16
# GIF: an image's descriptor behind the end of a block, with or without a palette of its own.
_GIF_FRAME = re.compile(rb"\x00\x21\xf9\x04.{4}\x00[\x2c\x21]", re.DOTALL)


def traits(data: bytes, kind: str) -> list[str]:
    """Words for what is special about the file `data` of format `kind` (see image_header.sniff)."""
    reader = _READERS.get(kind)
    try:
        return reader(data) if reader else []
    except (struct.error, IndexError):  # a header that ends too early: the decoder's to judge
        return []


def trailing_bytes(data: bytes, kind: str) -> int:
    """How many bytes stand behind the end of a JPEG or PNG; 0 for other formats."""
    if kind == "png":
        end = data.find(_PNG_END)
        return len(data) - end - len(_PNG_END) if end >= 0 else 0
    if kind == "jpeg":
        scan = next((at for marker, at, _ in _jpeg_segments(data) if marker == 0xDA), len(data))
        end = data.find(b"\xff\xd9", scan)
        return len(data) - end - 2 if end >= 0 else 0
    return 0


def _jpeg_segments(data: bytes) -> list[tuple[int, int, bytes]]:
    """(marker, offset, content) of each segment up to the first scan."""
    found = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        found.append((marker, at, data[at + 4 : at + 2 + length]))
        if marker == 0xDA:
            break
        at += 2 + length
    return found


def _jpeg(data: bytes) -> list[str]:
    found = []
    for marker, _, content in _jpeg_segments(data):
        if _turns(marker, content):
            found.append(TURNED)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            found += {1: [GRAY], 4: [CMYK]}.get(content[5], [])
    return found


def _png(data: bytes) -> list[str]:
    depth, color = data[24], data[25]
    head = data[: max(data.find(b"IDAT"), 0)]
    exif = head.find(b"eXIf")
    return [
        *([DEEP] if depth == 16 else []),
        *([GRAY] if color in (0, 4) else [PALETTE] if color == 3 else []),
        *([ALPHA] if color in (4, 6) or b"tRNS" in head else []),
        *([ANIMATED] if b"acTL" in head else []),
        *([TURNED] if exif >= 0 and _orientation(head[exif + 4 :]) in range(2, 9) else []),
    ]


def _gif(data: bytes) -> list[str]:
    return [PALETTE, *([ANIMATED] if len(_GIF_FRAME.findall(data)) > 1 else [])]


def _bmp(data: bytes) -> list[str]:
    old = data[14:18] == b"\x0c\0\0\0"
    (bits,) = struct.unpack_from("<H", data, 24 if old else 28)
    return [PALETTE] if bits <= 8 else []


def _webp(data: bytes) -> list[str]:
    if data[12:16] != b"VP8X":
        return []
    flags = data[20]
    return [*([ALPHA] if flags & 0x10 else []), *([ANIMATED] if flags & 0x02 else [])]


def _tiff(data: bytes) -> list[str]:
    tags = tiff_tags(data)
    bits, ink, samples = tags.get(258, 1), tags.get(262, 2), tags.get(277, 1)
    return [
        *([DEEP] if bits == 16 else []),
        *([GRAY] if ink in (0, 1) else [PALETTE] if ink == 3 else [CMYK] if ink == 5 else []),
        *([ALPHA] if 338 in tags and samples in (2, 4) else []),
        *([TURNED] if tags.get(_ORIENTATION, 1) in range(2, 9) else []),
        *([ANIMATED] if tags[-1] else []),
    ]


def jpeg_orientation(data: bytes) -> int:
    """EXIF's orientation of a JPEG, 1 (as it stands) to 8."""
    try:
        turning = (content for marker, _, content in _jpeg_segments(data) if _turns(marker, content))
        return next((_orientation(content[6:]) for content in turning), 1)
    except (struct.error, IndexError):  # OpenCV, too, turns nothing then
        return 1


def _turns(marker: int, content: bytes) -> bool:
    exif = marker == 0xE1 and content.startswith(b"Exif\0\0")
    return exif and _orientation(content[6:]) in range(2, 9)


def _orientation(exif: bytes) -> int:
    return tiff_tags(exif[:_HEADER]).get(_ORIENTATION, 1)


def tiff_tags(data: bytes) -> dict[int, int]:
    """The first number of each short or long tag of the first directory; at -1 where the next one is."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    tags = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, type_, number = struct.unpack_from(f"{order}HHI", data, entry)
        if type_ == 3:
            place = entry + 8
            if number > 2:  # the values stand elsewhere
                (place,) = struct.unpack_from(f"{order}I", data, entry + 8)
            (tags[tag],) = struct.unpack_from(f"{order}H", data, place)
        elif type_ == 4 and number == 1:
            (tags[tag],) = struct.unpack_from(f"{order}I", data, entry + 8)
    (tags[-1],) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
    return tags


_READERS = {"jpeg": _jpeg, "png": _png, "gif": _gif, "bmp": _bmp, "webp": _webp, "tiff": _tiff}
