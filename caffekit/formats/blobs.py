"""BlobProto and numpy: packed floats are copied as bytes, never one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import BlobProto
from caffekit.formats.wire import read_varint, varint

_FIELDS = BlobProto.DESCRIPTOR.fields_by_name
DATA, DIFF = _FIELDS["data"].number, _FIELDS["diff"].number
DOUBLE_DATA, DOUBLE_DIFF = _FIELDS["double_data"].number, _FIELDS["double_diff"].number
BYTES = 2  # the wire type of packed values


def blob_shape(blob: Any) -> tuple[int, ...]:
    """The shape of `blob`; four axes if it has a legacy size, which Caffe looks at first."""
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return (blob.num, blob.channels, blob.height, blob.width)
    return tuple(blob.shape.dim)


def blob_fault(blob: Any) -> str:
    """What is wrong with `blob`: a sentence, or "" when its values fill its shape."""
    shape = blob_shape(blob)
    if any(side < 0 for side in shape):
        return f"its shape is {_text(shape)}"
    values = len(blob.double_data) or len(blob.data)
    if values != math.prod(shape):
        return f"its shape {_text(shape)} takes {math.prod(shape)} values, but it holds {values}"
    return ""


def blob_array(blob: Any) -> NDArray[np.float32]:
    """The values of `blob` in its shape; FormatError when there are more or fewer than the shape takes."""
    if fault := blob_fault(blob):
        raise FormatError(f"a blob is damaged: {fault}")
    return _values(blob, DOUBLE_DATA, DATA).reshape(blob_shape(blob))


def blob_diff(blob: Any) -> NDArray[np.float32]:
    """The gradient kept in `blob`, in its shape; zeros where it keeps none."""
    values = _values(blob, DOUBLE_DIFF, DIFF)
    shape = blob_shape(blob)
    return values.reshape(shape) if values.size == math.prod(shape) else np.zeros(shape, np.float32)


def to_blob(array: NDArray[Any], diff: NDArray[Any] | None = None, blob: Any = None) -> Any:
    """A BlobProto (or `blob`, a new one of any fork) with the values of `array` (and `diff`) as float32."""
    blob = BlobProto() if blob is None else blob
    blob.shape.dim.extend(np.shape(array))
    for number, values in ((DATA, array), (DIFF, diff)):
        if values is not None and np.size(values):
            raw = np.ascontiguousarray(values, dtype="<f4").tobytes()
            blob.MergeFromString(varint(number << 3 | BYTES) + varint(len(raw)) + raw)
    return blob


def _values(blob: Any, double: int, single: int) -> NDArray[np.float32]:
    """The packed values of field `double` if it has any, else of `single`, flat and writable."""
    raw = memoryview(blob.SerializeToString())
    found: dict[int, list[NDArray[Any]]] = {double: [], single: []}
    for number, value in _packed(raw):
        if number in found:
            found[number].append(np.frombuffer(value, "<f8" if number == double else "<f4"))
    parts = found[double] or found[single]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def _packed(raw: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The length-delimited fields of a message that protobuf itself has just written."""
    at = 0
    while at < len(raw):
        tag, at = read_varint(raw, at)
        size = {0: 0, 1: 8, 5: 4}.get(tag & 7)
        if size is None:
            size, at = read_varint(raw, at)
            yield tag >> 3, raw[at : at + size]
        elif not size:
            _, at = read_varint(raw, at)
        at += size


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"
