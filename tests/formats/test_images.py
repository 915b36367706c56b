"""Strict decoding: OpenCV's pixels for whole files, a reason for every damaged one."""

from __future__ import annotations

import csv
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.formats.image_header import EXTENSIONS, extension_fits, sniff, stated_size
from caffekit.formats.images import BadImage, decode, encode, resize, resize_short

RANDOM = np.random.default_rng(0)
PHOTO = cv2.resize(RANDOM.integers(0, 256, (12, 16, 3), np.uint8), (160, 120))
JPEG, PNG = encode(PHOTO, "jpg"), encode(PHOTO, "png")


def opencv(data: bytes, gray: bool = False) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), 0 if gray else 1)
    return image[:, :, None] if gray else image


def turned(data: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF orientation."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def reason(data: bytes, **options: int) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, **options)
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("data", [JPEG, PNG, turned(JPEG, 6)], ids=["jpeg", "png", "exif"])
def test_pixels_are_opencv_s(data: bytes, gray: bool) -> None:
    image = decode(data, gray)
    assert image.dtype == np.uint8 and np.array_equal(image, opencv(data, gray))


def test_exif_turns_the_image() -> None:
    assert decode(turned(JPEG, 6)).shape == (160, 120, 3)


@pytest.mark.parametrize(
    "image",
    [PHOTO[:, :, :1], np.dstack([PHOTO, PHOTO[:, :, :1]]), PHOTO.astype(np.uint16) * 257],
    ids=["gray", "alpha", "16 bit"],
)
def test_other_pngs_become_bgr_as_opencv_s(image: np.ndarray) -> None:
    data = cv2.imencode(".png", image)[1].tobytes()
    assert np.array_equal(decode(data), opencv(data)) and decode(data).shape == (120, 160, 3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_files(share: float) -> None:
    assert reason(JPEG[: int(len(JPEG) * share)]) in ("truncated", "undecodable")
    assert reason(JPEG[: int(len(JPEG) * 0.9)]) == "truncated"
    assert reason(PNG[: int(len(PNG) * share)]) == "truncated"


def test_a_jpeg_without_its_end_marker() -> None:
    assert reason(JPEG[:-2]) == "truncated"
    assert reason(JPEG[:-2], gray=True) == "truncated"


def test_zeroed_blocks_which_opencv_takes() -> None:
    middle = len(JPEG) // 2
    data = JPEG[:middle] + bytes(1500) + JPEG[middle + 1500 :]
    assert opencv(data).shape == PHOTO.shape
    assert reason(data) in ("truncated", "undecodable")


def test_a_harmless_flaw_is_told_and_taken() -> None:
    data = JPEG[:20] + b"\0\0\0" + JPEG[20:]
    flaws: list[str] = []
    assert np.array_equal(decode(data, on_flaw=flaws.append), opencv(data))
    assert flaws == ["Corrupt JPEG data: 3 extraneous bytes before marker 0xdb"]


def test_a_png_without_its_end_or_with_a_flipped_bit() -> None:
    assert reason(PNG[:-12]) == "truncated"
    at = PNG.index(b"IDAT") + 100
    assert reason(PNG[:at] + bytes([PNG[at] ^ 1]) + PNG[at + 1 :]) == "undecodable"


@pytest.mark.parametrize("data", [b"<html></html>", b"PK\3\4 zip", b"%PDF-1.5", b"GIF"])
def test_what_is_no_image(data: bytes) -> None:
    assert reason(data) == "wrong-format"


def test_an_empty_file() -> None:
    assert reason(b"") == "undecodable"


def test_too_large_is_seen_before_decoding() -> None:
    assert reason(PNG, max_pixels=160 * 120 - 1) == "too-large"
    assert reason(JPEG, max_pixels=160 * 120 - 1) == "too-large"
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = PNG[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + PNG[33:]
    assert reason(bomb) == "too-large"


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp", "webp", "tiff", "ppm", "gif"])
def test_sniffing_and_sizes(kind: str) -> None:
    done, data = cv2.imencode(f".{kind}", PHOTO)
    found = sniff(data.tobytes())
    assert done and extension_fits(f"x/A.{kind.upper()}", found)
    assert stated_size(data.tobytes(), found) in ((160, 120), (0, 0))
    assert found in ("webp", "tiff") or stated_size(data.tobytes(), found) == (160, 120)


def test_extensions() -> None:
    assert not extension_fits("a.png", "jpeg") and extension_fits("dir.png/a", "jpeg")
    assert extension_fits("a.JPEG", "jpeg") and all(EXTENSIONS.values())


def test_squash_is_convert_imageset_s_resize() -> None:
    assert np.array_equal(resize(PHOTO, 33, 77), cv2.resize(PHOTO, (33, 77)))
    assert resize(PHOTO[:, :, :1], 8, 8).shape == (8, 8, 1)
    assert resize(PHOTO, 160, 120) is PHOTO


def test_crop_and_pad_keep_the_aspect() -> None:
    """160x120 into 60x60: crop scales to 80x60 and cuts 10 columns a side; pad scales to 60x45."""
    cropped, padded = resize(PHOTO, 60, 60, "crop"), resize(PHOTO, 60, 60, "pad")
    assert np.array_equal(cropped, cv2.resize(PHOTO, (80, 60))[:, 10:70])
    assert np.array_equal(padded[7:52], cv2.resize(PHOTO, (60, 45)))
    assert not padded[:7].any() and not padded[52:].any()


@pytest.mark.parametrize("size", [(1, 1), (500, 3), (3, 500)])
@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_any_size_can_be_had(size: tuple[int, int], fit: str) -> None:
    assert resize(PHOTO, *size, fit).shape == (size[1], size[0], 3)


def test_resize_short() -> None:
    assert resize_short(PHOTO, 30).shape == (30, 40, 3)
    assert resize_short(PHOTO.transpose(1, 0, 2).copy(), 30).shape == (40, 30, 3)
    assert resize_short(np.zeros((1, 1000, 3), np.uint8), 2).shape == (2, 2000, 3)


def test_encode() -> None:
    assert np.array_equal(opencv(encode(PHOTO, "png")), PHOTO)
    assert len(encode(PHOTO, "jpg", 30)) < len(JPEG)


def test_odd_files_decode_as_opencv_s_or_are_refused(shared: Path) -> None:
    """Nothing crashes; what both decoders called undecodable is refused; no pixel differs from OpenCV's."""
    folder = shared / "data" / "odd_images" / "dev"
    rows = list(csv.DictReader(io.StringIO((folder / "LIST.csv").read_text())))
    names = {path.name: path for path in folder.iterdir()}
    taken = 0
    for row in rows:
        path = names.get(row["file"])
        assert path is not None
        data = path.read_bytes()
        try:
            image = decode(data)
        except BadImage as error:
            assert row["verdict"] != "valid" or error.reason == "too-large", (path.name, str(error))
            continue
        assert row["verdict"] != "undecodable", path.name
        assert np.array_equal(image, opencv(data)), path.name
        taken += 1
    assert taken > 100


def test_the_size_in_an_old_bmp_header() -> None:
    header = b"BM" + bytes(12) + (12).to_bytes(4, "little") + bytes([127, 0, 64, 0, 1, 0, 8, 0])
    assert stated_size(header, "bmp") == (127, 64)
