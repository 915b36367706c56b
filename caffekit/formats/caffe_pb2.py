"""Caffe's messages and enums under the names of a generated caffe_pb2: NetParameter, TRAIN, Datum, …

They are made from proto/caffe.desc (see scripts/compile-proto) in a pool of their own.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.internal import enum_type_wrapper

from caffekit.formats.proto import file_descriptor, message_class

DESCRIPTOR = file_descriptor()


def _names() -> dict[str, Any]:
    names: dict[str, Any] = {name: message_class(name) for name in DESCRIPTOR.message_types_by_name}
    for name, enum in DESCRIPTOR.enum_types_by_name.items():
        names[name] = enum_type_wrapper.EnumTypeWrapper(enum)
        names.update((value.name, value.number) for value in enum.values)
    return names


globals().update(_names())


def __getattr__(name: str) -> Any:
    """Tells type checkers that there are names which they cannot see; reached only for those that are not."""
    raise AttributeError(f"caffe.proto has no {name}")
