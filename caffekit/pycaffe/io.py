"""caffe.io: between blobs, datums and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.formats.caffe_pb2 import BlobProto, BlobProtoVector, Datum
from caffekit.formats.datum import datum_array
from caffekit.formats.weights import blob_array, to_blob


def blobproto_to_array(blob: Any, return_diff: bool = False) -> NDArray[np.float32]:
    """The values (or the diff) of a BlobProto, in its shape."""
    if not return_diff:
        return blob_array(blob)
    return np.array(blob.diff, np.float32).reshape(blob_array(blob).shape)


def array_to_blobproto(array: NDArray[Any], diff: NDArray[Any] | None = None) -> Any:
    """A BlobProto with the values of `array`."""
    return to_blob(np.asarray(array, np.float32), None if diff is None else np.asarray(diff, np.float32))


def arraylist_to_blobprotovector_str(arrays: list[NDArray[Any]]) -> bytes:
    """Several arrays as one serialized BlobProtoVector."""
    text: bytes = BlobProtoVector(blobs=[array_to_blobproto(array) for array in arrays]).SerializeToString()
    return text


def blobprotovector_str_to_arraylist(text: bytes) -> list[NDArray[np.float32]]:
    """The arrays of a serialized BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in BlobProtoVector.FromString(text).blobs]


def array_to_datum(array: NDArray[Any], label: int | None = None) -> Any:
    """A Datum of a CHW array: bytes for uint8, floats otherwise. ValueError unless 3-D."""
    if array.ndim != 3:
        raise ValueError(f"Incorrect array shape: expected (channels, height, width), got {array.shape}")
    datum = Datum(channels=array.shape[0], height=array.shape[1], width=array.shape[2])
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(array.astype(float).ravel())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> NDArray[Any]:
    """The CHW array of a Datum."""
    return datum_array(datum)


__all__ = [
    "BlobProto",
    "array_to_blobproto",
    "array_to_datum",
    "arraylist_to_blobprotovector_str",
    "blobproto_to_array",
    "blobprotovector_str_to_arraylist",
    "datum_to_array",
]
