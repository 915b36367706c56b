"""Messages as prototxt, laid out as people write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf import text_encoding
from google.protobuf.descriptor import FieldDescriptor


def to_text(message: Any) -> str:
    """`message` as prototxt: fields by number, two-space indents, floats as short as they read back.

    Parsing the text gives the message again, to the bit.
    """
    return "".join(f"{line}\n" for line in _lines(message, ""))


def debug_string(message: Any) -> str:
    """`message` in the text that C++'s DebugString makes of it, which Caffe logs."""
    return "".join(f"{line}\n" for line in _debug_lines(message, ""))


def _debug_lines(message: Any, indent: str) -> Iterator[str]:
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield f"{indent}{field.name} {{"
                yield from _debug_lines(one, indent + "  ")
                yield f"{indent}}}"
            elif field.type == FieldDescriptor.TYPE_STRING:
                yield f'{indent}{field.name}: "{text_encoding.CEscape(one.encode(), False)}"'
            elif field.type == FieldDescriptor.TYPE_FLOAT:
                yield f"{indent}{field.name}: {_debug_float(one)}"
            else:
                yield f"{indent}{field.name}: {_value(field, one)}"


def _debug_float(value: float) -> str:
    """Six digits where they are all it takes, else nine."""
    short = f"{value:.6g}"
    return short if value != value or np.float32(short) == np.float32(value) else f"{value:.9g}"


def _lines(message: Any, indent: str) -> Iterator[str]:
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if field.type != FieldDescriptor.TYPE_MESSAGE:
                yield f"{indent}{field.name}: {_value(field, one)}"
            elif field.message_type.name == "BlobShape":
                yield f"{indent}{field.name} {{ {''.join(f'dim: {d} ' for d in one.dim)}}}"
            else:
                yield f"{indent}{field.name} {{"
                yield from _lines(one, indent + "  ")
                yield f"{indent}}}"


def _value(field: Any, value: Any) -> str:
    if field.type == FieldDescriptor.TYPE_ENUM:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if field.type == FieldDescriptor.TYPE_STRING:
        return f'"{text_encoding.CEscape(value, True)}"'
    if field.type == FieldDescriptor.TYPE_BYTES:
        return f'"{text_encoding.CEscape(value, False)}"'
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _float(value)
    return f"{value:.17g}" if field.type == FieldDescriptor.TYPE_DOUBLE else str(value)


def _float(value: float) -> str:
    """Six significant digits where they read back as the same float32, else as many as it takes."""
    for digits in (6, 7, 8):
        text = f"{value:.{digits}g}"
        if np.float32(text) == np.float32(value):
            return text
    return f"{value:.9g}"
