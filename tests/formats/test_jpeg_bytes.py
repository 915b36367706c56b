"""JPEG files that go into a database as they are, and those that must not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from caffekit.formats.images import decode
from caffekit.formats.jpeg_bytes import plain_jpeg

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8), (0, 0), 3)
JPEG = cv2.imencode(".jpg", IMAGE)[1].tobytes()
EXIF = JPEG[:2] + b"\xff\xe1\x00\x10Exif\0\0" + bytes(8) + JPEG[2:]
HOLE = JPEG[:2000] + bytes(600) + JPEG[2600:]


def test_a_plain_one_is_what_caffe_decodes() -> None:
    assert plain_jpeg(JPEG, verify=True) == plain_jpeg(JPEG, verify=False) == (120, 160)
    seen = cv2.imdecode(np.frombuffer(JPEG, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(seen, decode(JPEG))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        JPEG[:-300],
        EXIF,
        cv2.imencode(".jpg", IMAGE[:, :, 0])[1].tobytes(),
        b"\xff\xd8\xff\xd9",
        b"GIF89a",
    ],
    ids=["empty", "cut", "exif", "gray", "nothing", "gif"],
)
def test_all_others_are_decoded(data: bytes) -> None:
    assert plain_jpeg(data, verify=True) is None
    assert plain_jpeg(data, verify=False) is None


def test_holes_are_found_by_verifying() -> None:
    assert len(JPEG) > 2600
    assert plain_jpeg(HOLE, verify=True) is None and plain_jpeg(HOLE, verify=False) == (120, 160)
