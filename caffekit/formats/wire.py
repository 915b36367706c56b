"""Protobuf on the wire, seen without parsing: small fields take hundreds of times their bytes in memory."""

from __future__ import annotations

from typing import Any

WHOLE = {"BlobProto"}
"""Messages that take as much memory as bytes: they are not looked into."""

_FIXED = {1: 8, 5: 4}


def has_more_fields(data: bytes, descriptor: Any, limit: int) -> bool:
    """Whether a message of `descriptor` has more than `limit` fields, those of its messages included.

    What is no protobuf is left to the parser: False.
    """
    try:
        return _count(memoryview(data), descriptor, limit) < 0
    except (IndexError, ValueError):
        return False


def _count(data: memoryview, descriptor: Any, left: int) -> int:
    """How many fields are left of `left` after those in `data`; below 0, and done, once there are none."""
    at, end = 0, len(data)
    while at < end and left >= 0:
        tag, at = read_varint(data, at)
        number, kind, left = tag >> 3, tag & 7, left - 1
        if kind == 0:
            _, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
            field = descriptor.fields_by_number.get(number)
            inner = field.message_type if field else None
            if inner and inner.name not in WHOLE and at + size <= end:
                left = _count(data[at : at + size], inner, left)
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise ValueError("no field of Caffe's")
    return left


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next field begins. IndexError at the end, ValueError for none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than ten bytes")


def varint(value: int) -> bytes:
    """A number, not below 0, as it stands on the wire."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
