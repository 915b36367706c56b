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
    height, width, channels = image.shape
    data = np.ascontiguousarray(image.transpose(2, 0, 1)).tobytes()
    return Datum(channels=channels, height=height, width=width, data=data, label=label, encoded=False)


def encoded_datum(data: bytes, label: int) -> Any:
    """A Datum with an encoded image file; like convert_imageset's it does not repeat the shape."""
    return Datum(data=data, label=label, encoded=True)


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
