"""Datums: the bytes that convert_imageset writes, and the images in them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.datum import (
    datum_array,
    encoded_datum,
    encoded_record,
    image_datum,
    image_record,
    parse_datum,
    record_planes,
)

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_the_bytes_are_convert_imageset_s() -> None:
    """channels 3, height 2, width 4, data plane by plane, label 5, encoded false: all fields present."""
    planes = bytes([*range(0, 24, 3), *range(1, 24, 3), *range(2, 24, 3)])
    wire = b"\x08\x03\x10\x02\x18\x04\x22\x18" + planes + b"\x28\x05\x38\x00"
    assert image_record(IMAGE, 5) == image_datum(IMAGE, 5).SerializeToString() == wire
    planes = record_planes(wire)
    assert planes is not None and np.array_equal(planes, IMAGE.transpose(2, 0, 1))
    assert np.array_equal(datum_array(parse_datum(wire)), IMAGE.transpose(2, 0, 1))


@pytest.mark.parametrize("label", [-1, 0, 300])
@pytest.mark.parametrize("shape", [(1, 1, 1), (20, 30, 1), (2, 3, 9)])
def test_records_as_protobuf_writes_them(shape: tuple[int, int, int], label: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = image.transpose(2, 0, 1).tobytes()
    fields = {"channels": shape[2], "height": shape[0], "width": shape[1], "label": label, "encoded": False}
    wire = Datum(data=data, **fields).SerializeToString()
    assert image_record(image, label) == wire
    planes = record_planes(memoryview(wire))
    assert planes is not None and planes.shape == (shape[2], *shape[:2]) and planes.tobytes() == data


@pytest.mark.parametrize(("size", "label"), [(0, 0), (127, 3), (300, -1), (70000, 1 << 20)])
def test_encoded_records_as_protobuf_writes_them(size: int, label: int) -> None:
    wire = Datum(data=b"x" * size, label=label, encoded=True).SerializeToString()
    assert encoded_record(b"x" * size, label) == wire


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"\x08",
        image_record(IMAGE, 5)[:-8],
        image_record(IMAGE, 5).replace(b"\x10\x02", b"\x10\x03"),
        image_record(IMAGE, 5) + b"\xff" * 11,
        encoded_datum(b"abc", 3).SerializeToString(),
        Datum(channels=1, height=1, width=1, float_data=[0.5]).SerializeToString(),
        Datum(channels=1, height=1, width=3, data=b"abc", encoded=True).SerializeToString(),
    ],
)
def test_records_that_protobuf_must_read(wire: bytes) -> None:
    assert record_planes(wire) is None


def test_encoded_images_keep_their_channels() -> None:
    for image, shape in ((IMAGE, (3, 2, 4)), (IMAGE[:, :, :1], (1, 2, 4))):
        datum = encoded_datum(cv2.imencode(".png", image)[1].tobytes(), 3)
        assert datum.SerializeToString().endswith(b"\x28\x03\x38\x01")
        assert datum_array(datum).shape == shape
        assert np.array_equal(datum_array(datum), image.transpose(2, 0, 1))


def test_floats() -> None:
    array = datum_array(Datum(channels=1, height=1, width=2, float_data=[0.5, float("nan")]))
    assert array.dtype == np.float32 and array.shape == (1, 1, 2) and np.isnan(array[0, 0, 1])


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (Datum(channels=1, height=2, width=2, data=b"abc"), "3 values, but its shape says 1x2x2"),
        (Datum(channels=1, height=2, width=2), "0 values"),
        (Datum(), "0 values"),
        (Datum(data=b"abc", encoded=True), "cannot be decoded"),
        (Datum(encoded=True), "cannot be decoded"),
        (
            encoded_datum(cv2.imencode(".png", np.zeros((2, 2), np.uint16))[1].tobytes(), 0),
            "uint16 pixels",
        ),
    ],
)
def test_what_is_no_image(datum: Datum, message: str) -> None:
    with pytest.raises(FormatError, match=f"record 7: .*{message}"):
        datum_array(datum, "record 7")


def test_what_is_no_datum() -> None:
    with pytest.raises(FormatError, match="record 7: not a Caffe Datum"):
        parse_datum(b"\xff\xff\xff", "record 7")
