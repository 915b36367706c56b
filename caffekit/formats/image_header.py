"""What the first bytes of a file say: which image format it is, and how large the image."""

from __future__ import annotations

import struct

from caffekit.formats.image_traits import tiff_tags

# Format → file name extensions that may carry it.
EXTENSIONS = {
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "png": {".png"},
    "gif": {".gif"},
    "bmp": {".bmp", ".dib"},
    "webp": {".webp"},
    "tiff": {".tif", ".tiff"},
    "pnm": {".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".pxm"},
    "jp2": {".jp2", ".j2k", ".jpx", ".jpf"},
    "hdr": {".hdr", ".pic"},
    "exr": {".exr"},
    "ras": {".ras", ".sr"},
    "avif": {".avif", ".heic", ".heif"},
    "ico": {".ico", ".cur"},
}
_MAGIC = [
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  ", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"#?", "hdr"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"\x59\xa6\x6a\x95", "ras"),
    (b"\0\0\1\0", "ico"),
    (b"\0\0\2\0", "ico"),
]
# Start-of-frame markers of JPEG: height and width follow. C4, C8 and CC are something else.
_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def sniff(data: bytes) -> str:
    """The image format that `data` begins like (a key of EXTENSIONS), or ""."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1"):
        return "avif"
    if data[:1] == b"P" and data[1:2] in b"1234567Ff" and data[2:3].isspace():
        return "pnm"
    return ""


def extension_fits(name: str, kind: str) -> bool:
    """Whether the file name's extension belongs to format `kind`; a name without extension fits all."""
    dot = name.rfind(".")
    extension = name[dot:].lower() if dot > name.rfind("/") else ""
    return not extension or extension in EXTENSIONS.get(kind, set())


def stated_size(data: bytes, kind: str) -> tuple[int, int]:
    """(width, height) that the header states; (0, 0) where it is not known without decoding."""
    try:
        if kind == "jpeg":
            return _jpeg_size(data)
        if kind == "png":
            return struct.unpack_from(">II", data, 16)
        if kind == "gif":
            return struct.unpack_from("<HH", data, 6)
        if kind == "bmp":
            old = data[14:18] == b"\x0c\0\0\0"  # OS/2's header of 12 bytes
            width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
            return abs(width), abs(height)
        if kind in _SIZES:
            return _SIZES[kind](data)
    except (struct.error, ValueError):
        pass
    return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0, 0


def _pnm_size(data: bytes) -> tuple[int, int]:
    lines = (line.split(b"#")[0] for line in data[2:256].split(b"\n"))
    words = b" ".join(lines).split()
    return (int(words[0]), int(words[1])) if len(words) >= 2 else (0, 0)


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff_size(data: bytes) -> tuple[int, int]:
    tags = tiff_tags(data)
    return tags.get(256, 0), tags.get(257, 0)


def _jp2_size(data: bytes) -> tuple[int, int]:
    if data.startswith(b"\xff\x4f"):  # the code stream alone
        return struct.unpack_from(">II", data, 8)
    height, width = struct.unpack_from(">II", data, data.index(b"ihdr") + 4)
    return width, height


def _avif_size(data: bytes) -> tuple[int, int]:
    return struct.unpack_from(">II", data, data.index(b"ispe") + 8)


def _ras_size(data: bytes) -> tuple[int, int]:
    return struct.unpack_from(">II", data, 4)


_SIZES = {
    "pnm": _pnm_size,
    "webp": _webp_size,
    "tiff": _tiff_size,
    "jp2": _jp2_size,
    "avif": _avif_size,
    "ras": _ras_size,
}
