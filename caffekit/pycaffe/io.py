"""caffe.io: between blobs, datums and arrays, and pictures for nets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats import caffe_pb2
from caffekit.formats.blobs import blob_array, blob_shape, to_blob
from caffekit.formats.caffe_pb2 import BlobProtoVector, Datum
from caffekit.pycaffe.images import load_image, oversample, resize_image
from caffekit.pycaffe.transformer import Transformer


def blobproto_to_array(blob: Any, return_diff: bool = False) -> NDArray[np.float64]:
    """The values (or the diff) of a BlobProto in its shape, as float64.

    A legacy shape (num, channels, height, width) is four axes. ValueError if the values do not fill it.
    """
    if return_diff:
        return np.array(blob.diff, np.float64).reshape(blob_shape(blob))
    try:
        return blob_array(blob).astype(np.float64)
    except FormatError as error:
        raise ValueError(str(error)) from error


def array_to_blobproto(arr: NDArray[Any], diff: NDArray[Any] | None = None) -> Any:
    """A BlobProto with the values of `arr` (and `diff`, of the same shape) as float32."""
    return to_blob(arr, diff)


def arraylist_to_blobprotovector_str(arraylist: Sequence[NDArray[Any]]) -> bytes:
    """Several arrays as one serialized BlobProtoVector."""
    text: bytes = BlobProtoVector(blobs=[array_to_blobproto(arr) for arr in arraylist]).SerializeToString()
    return text


def blobprotovector_str_to_arraylist(str: bytes) -> list[NDArray[np.float64]]:
    """The arrays of a serialized BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in BlobProtoVector.FromString(str).blobs]


def array_to_datum(arr: NDArray[Any], label: int | None = None) -> Any:
    """A Datum of a channels × height × width array: bytes for uint8, else floats. ValueError unless 3-D."""
    if arr.ndim != 3:
        raise ValueError(f"Incorrect array shape: expected (channels, height, width), got {arr.shape}")
    datum = Datum(channels=arr.shape[0], height=arr.shape[1], width=arr.shape[2])
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).ravel())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> NDArray[Any]:
    """The channels × height × width array of a Datum: uint8, or float64 for float_data.

    ValueError if the values do not fill its shape, which an encoded image's do not: decode its `data`.
    """
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        # A copy, because arrays over bytes cannot be written to.
        return np.frombuffer(datum.data, np.uint8).reshape(shape).copy()
    return np.array(datum.float_data, np.float64).reshape(shape)


__all__ = [
    "Transformer",
    "array_to_blobproto",
    "array_to_datum",
    "arraylist_to_blobprotovector_str",
    "blobproto_to_array",
    "blobprotovector_str_to_arraylist",
    "caffe_pb2",
    "datum_to_array",
    "load_image",
    "oversample",
    "resize_image",
]
