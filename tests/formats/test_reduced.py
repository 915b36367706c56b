"""Reduced decoding: the same picture, size and verdict as in full."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.formats.images import BadImage, decode
from caffekit.formats.reduced import decode_reduced


def picture(height: int = 300, width: int = 421) -> np.ndarray:
    random = np.random.default_rng(0)
    small = random.integers(60, 190, (9, 13, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def turned_jpeg(orientation: int) -> bytes:
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff + data[2:]


def same(data: bytes, short: int) -> tuple[int, int]:
    """The reduced size, after a comparison with the full picture made small."""
    full, reduced = decode(data), decode_reduced(data, short)
    assert (reduced.height, reduced.width) == full.shape[:2]
    height, width = reduced.image.shape[:2]
    small = cv2.resize(full, (width, height), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - reduced.image).mean() < 4
    return height, width


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize(
    ("short", "size"),
    [(20, (38, 53)), (64, (75, 106)), (128, (150, 211)), (151, (300, 421)), (1000, (300, 421))],
)
def test_it_is_as_small_as_it_may_be(kind: str, short: int, size: tuple[int, int]) -> None:
    assert same(cv2.imencode(kind, picture())[1].tobytes(), short) == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_turns_as_exif_says(orientation: int) -> None:
    assert same(turned_jpeg(orientation), 64) == ((75, 106) if orientation < 5 else (106, 75))


def test_gray_stays_gray() -> None:
    data = cv2.imencode(".jpg", picture()[:, :, 0])[1].tobytes()
    image = decode_reduced(data, 64).image
    assert same(data, 64) == (75, 106) and (image == image[:, :, :1]).all()


@pytest.mark.parametrize("damage", ["cut", "zeroed", "empty", "text"])
def test_damage_is_found_as_in_full(damage: str) -> None:
    data = cv2.imencode(".jpg", picture(600, 800))[1].tobytes()
    middle = len(data) // 2
    bad = {"cut": data[:middle], "zeroed": data[:middle] + bytes(4096) + data[middle + 4096 :]}
    bad |= {"empty": b"", "text": b"text"}
    reasons = []
    for function in (decode, lambda data: decode_reduced(data, 64)):
        with pytest.raises(BadImage) as caught:
            function(bad[damage])
        reasons.append((caught.value.reason, caught.value.detail))
    assert reasons[0] == reasons[1]


def test_flaws_are_told_once() -> None:
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    flaws: list[str] = []
    decode_reduced(data[:20] + b"\0" * 5 + data[20:], 64, flaws.append)
    assert len(flaws) == 1


def test_odd_files_get_the_same_verdict(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "data" / "odd_images" / "dev").iterdir()):
        data = path.read_bytes()
        verdicts = []
        for function in (decode, lambda data: decode_reduced(data, 128)):
            try:
                got = function(data)
                verdicts.append(
                    str(got.shape[:2] if isinstance(got, np.ndarray) else (got.height, got.width))
                )
            except BadImage as error:
                verdicts.append(error.reason)
        assert verdicts[0] == verdicts[1], path
        seen += 1
    assert seen > 100
