"""Caffe's Datum: one image and its label, as pixels (CHW) or as an encoded file."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.image_header import sniff, stated_size
from caffekit.formats.images import MAX_PIXELS
from caffekit.formats.wire import read_varint, varint

# Tags of a Datum's fields on the wire: data; channels, height, width, label and encoded.
_DATA = b"\x22"
_VARINTS = {0x08, 0x10, 0x18, 0x28, 0x38}


def datum_array(datum: Any, name: str = "datum", flag: int = cv2.IMREAD_UNCHANGED) -> NDArray[Any]:
    """The image of `datum`: CHW, uint8 for bytes and encoded files, float32 for float_data.

    Encoded files are decoded with OpenCV's `flag`, by default as they are (channels as stored), as in Caffe.
    FormatError naming `name`.
    """
    if datum.encoded:
        return decode_planes(datum.data, name, flag)
    shape = (datum.channels, datum.height, datum.width)
    array: NDArray[Any]
    if datum.data:
        array = np.frombuffer(datum.data, np.uint8)
    else:
        array = np.array(datum.float_data, np.float32)
    if not array.size or min(shape) < 1 or array.size != math.prod(shape):
        raise FormatError(f"{name}: {array.size} values, but its shape says {'x'.join(map(str, shape))}")
    return array.reshape(shape)


def parse_datum(value: bytes, name: str = "datum") -> Any:
    """The Datum in `value`. FormatError naming `name` when it is none."""
    from google.protobuf.message import DecodeError

    try:
        return Datum.FromString(value)
    except DecodeError as error:
        raise FormatError(f"{name}: not a Caffe Datum") from error


def image_datum(image: NDArray[np.uint8], label: int) -> Any:
    """A Datum with the pixels of `image` (uint8 HWC), field by field as convert_imageset fills it."""
    return Datum.FromString(image_record(image, label))


def image_record(image: NDArray[np.uint8], label: int) -> bytes:
    """The bytes of a Datum with the pixels of `image` (uint8 HWC), as convert_imageset writes them."""
    height, width, channels = image.shape
    planes = np.empty((channels, height, width), np.uint8)
    cv2.split(image, list(planes))
    # Put together here: protobuf would copy the pixels three times.
    head = Datum(channels=channels, height=height, width=width).SerializeToString()
    tail = Datum(label=label, encoded=False).SerializeToString()
    return b"".join((head, _DATA, varint(planes.size), planes.data, tail))


def encoded_datum(data: bytes, label: int) -> Any:
    """A Datum with an encoded image file; like convert_imageset's it does not repeat the shape."""
    return Datum.FromString(encoded_record(data, label))


def encoded_record(data: bytes, label: int) -> bytes:
    """The bytes of a Datum with an encoded image file."""
    tail = Datum(label=label, encoded=True).SerializeToString()
    return b"".join((_DATA, varint(len(data)), data, tail))


def record_planes(value: bytes | memoryview) -> NDArray[np.uint8] | None:
    """The pixels in a Datum's bytes, CHW, seen where they are; None where there are none, or other fields.

    What is None here is for parse_datum and datum_array.
    """
    fields: dict[int, int] = {}
    pixels = value[:0]
    at = 0
    try:
        while at < len(value):
            tag, (number, at) = value[at], read_varint(value, at + 1)
            if tag == _DATA[0]:
                pixels, at = memoryview(value)[at : at + number], at + number
            elif tag in _VARINTS:
                fields[tag] = number
            else:
                return None
    except (IndexError, ValueError):
        return None
    shape = (fields.get(0x08, 0), fields.get(0x10, 0), fields.get(0x18, 0))
    if fields.get(0x38) or not pixels or len(pixels) != math.prod(shape):
        return None
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def decode_planes(data: bytes, name: str, flag: int) -> NDArray[np.uint8]:
    """The image file `data`, decoded with OpenCV's `flag` as Caffe does: CHW. FormatError naming `name`."""
    width, height = stated_size(data, sniff(data))
    if width * height > MAX_PIXELS:
        raise FormatError(f"{name}: the encoded image says {width}x{height}, more than {MAX_PIXELS} pixels")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    if image is None:
        raise FormatError(f"{name}: the encoded image cannot be decoded")
    if image.dtype != np.uint8:
        raise FormatError(f"{name}: the encoded image has {image.dtype} pixels; Caffe reads 8 bits")
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return planes.view(np.uint8)
