"""What image headers say: traits, trailing bytes and the sizes that bombs are known by."""

from __future__ import annotations

import csv
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.formats import image_traits
from caffekit.formats.image_header import sniff, stated_size
from caffekit.formats.image_traits import trailing_bytes, traits
from caffekit.formats.images import BadImage, decode

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
WITH_ALPHA = np.dstack([PICTURE, PICTURE[..., :1]])


def file(extension: str, image: np.ndarray = PICTURE) -> bytes:
    return cv2.imencode(extension, image)[1].tobytes()


WEBP_VP8X = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x12\0\0\0\x1d\0\0\x13\0\0"
JP2 = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x16ihdr" + struct.pack(">II", 20, 30) + b"\0\3\7\7\0\0"
AVIF = b"\0\0\0\x18ftypavif\0\0\0\0\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 30, 20)


def exif(turned: int) -> bytes:
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, turned, 0, 0)
    content = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def jpeg_turned(turned: int) -> bytes:
    return b"\xff\xd8" + exif(turned) + file(".jpg")[2:]


def png_with(name: bytes, content: bytes) -> bytes:
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    data = file(".png")
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (file(".jpg"), []),
        (file(".jpg", PICTURE[..., 0]), ["gray"]),
        (jpeg_turned(6), ["turned by EXIF"]),
        (jpeg_turned(1), []),
        (file(".png"), []),
        (file(".png", PICTURE.astype(np.uint16) * 257), ["16 bits narrowed to 8"]),
        (file(".png", WITH_ALPHA), ["alpha dropped"]),
        (png_with(b"acTL", b"\0\0\0\2\0\0\0\0"), ["first frame of several"]),
        (file(".tiff", PICTURE.astype(np.uint16) * 257), ["16 bits narrowed to 8"]),
        (file(".tiff", PICTURE[..., 0]), ["gray"]),
        (file(".bmp", PICTURE[..., 0]), ["palette"]),
        (WEBP_VP8X, ["alpha dropped", "first frame of several"]),
    ],
)
def test_what_is_special_is_said(data: bytes, expected: list[str]) -> None:
    assert traits(data, sniff(data)) == expected


def test_turned_pictures_are_turned() -> None:
    assert decode(jpeg_turned(6)).shape == (30, 20, 3)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_bytes_behind_the_end_are_counted_and_harmless(extension: str) -> None:
    data = file(extension)
    assert trailing_bytes(data, sniff(data)) == 0
    assert trailing_bytes(data + b"garbage", sniff(data)) == 7
    assert (decode(data + b"garbage") == decode(data)).all()


@pytest.mark.parametrize("extension", [".jpg", ".png", ".gif", ".bmp", ".webp", ".tiff", ".ppm", ".ras"])
def test_the_size_is_known_before_decoding(extension: str) -> None:
    data = file(extension)
    assert stated_size(data, sniff(data)) == (30, 20)
    with pytest.raises(BadImage, match="too-large"):
        decode(data, max_pixels=599)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".gif", ".bmp", ".webp", ".tiff", ".ppm", ".ras"])
def test_no_header_is_too_short(extension: str) -> None:
    data = file(extension)
    for length in range(8, 60):
        part = data[:length]
        assert isinstance(traits(part, sniff(part)), list) and trailing_bytes(part, sniff(part)) == 0
        assert min(stated_size(part, sniff(part))) >= 0


def test_real_files(shared: Path) -> None:
    """Found by Pillow's eyes, but for GIF's alpha, which is none of a first frame's."""
    folder = shared / "data" / "odd_images" / "dev"
    wanted = {"16bit": "DEEP", "cmyk": "CMYK", "palette": "PALETTE", "animated_or_multipage": "ANIMATED"}
    told = missed = 0
    for row in csv.DictReader(io.StringIO((folder / "LIST.csv").read_text())):
        data = (folder / row["file"]).read_bytes()
        found = traits(data, sniff(data))
        for tag, name in wanted.items():
            if row["verdict"] == "valid" and tag in row["tags"].split():
                told += 1
                missed += getattr(image_traits, name) not in found
    assert told > 30 and missed <= 0.1 * told
