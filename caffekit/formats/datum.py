"""Caffe's Datum: one image and its label, as pixels (CHW) or as an encoded file."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import Datum


def datum_array(datum: Any, name: str = "datum") -> NDArray[Any]:
    """The image of `datum`: CHW, uint8 for bytes and encoded files, float32 for float_data.

    Encoded files are decoded as they are (channels as stored), as Caffe does. FormatError naming `name`.
    """
    if datum.encoded:
        return _decoded(datum.data, name)
    shape = (datum.channels, datum.height, datum.width)
    array: NDArray[Any]
    if datum.data:
        array = np.frombuffer(datum.data, np.uint8)
    else:
        array = np.array(datum.float_data, np.float32)
    if not array.size or array.size != np.prod(shape):
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


def _decoded(data: bytes, name: str) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise FormatError(f"{name}: its encoded image cannot be decoded")
    if image.dtype != np.uint8:
        raise FormatError(f"{name}: its encoded image has {image.dtype} pixels; Caffe reads 8 bits")
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return np.ascontiguousarray(planes, dtype=np.uint8)
