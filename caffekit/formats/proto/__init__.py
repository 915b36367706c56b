"""caffe.proto as message classes, in pools of their own, so that a process may hold another caffe_pb2 too.

The messages of forks are BVLC's with the fields of forks/NAME.proto laid over them. Forks never mix: the same
number means different things in each.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

BVLC = "caffe.proto"


@cache
def _files() -> dict[str, FileDescriptorProto]:
    data = Path(__file__).with_name("caffe.desc").read_bytes()
    return {file.name: file for file in FileDescriptorSet.FromString(data).file}


def forks() -> list[str]:
    """The names of the forks whose fields are known, those with the fewest messages of their own first."""
    files = [file for file in _files().values() if file.name != BVLC]
    return [Path(file.name).stem for file in sorted(files, key=lambda file: len(file.message_type))]


@cache
def file_descriptor(fork: str = "") -> FileDescriptor:
    """The descriptor of caffe.proto as BVLC has it, or as `fork` does."""
    file = FileDescriptorProto()
    file.CopyFrom(_files()[BVLC])
    if fork:
        _overlay(file, _files()[f"forks/{fork}.proto"])
    pool = DescriptorPool()
    pool.Add(file)
    return pool.FindFileByName(BVLC)


@cache
def message_class(name: str, fork: str = "") -> type[Message]:
    """The class of message `name`."""
    return message_factory.GetMessageClass(file_descriptor(fork).message_types_by_name[name])


def _overlay(file: FileDescriptorProto, fork: FileDescriptorProto) -> None:
    """Add the messages of `fork` to `file`; where both have one, the fork's fields and enums win."""
    mine = {message.name: message for message in file.message_type}
    for message in fork.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(f".{fork.package}.", f".{file.package}.")
        if message.name not in mine:
            file.message_type.add().CopyFrom(message)
            continue
        target = mine[message.name]
        _replace(target, message)
        target.enum_type.extend(message.enum_type)
        target.field.extend(message.field)


def _replace(target: DescriptorProto, message: DescriptorProto) -> None:
    """Remove the fields and enums of `target` that `message` defines anew."""
    enums = {enum.name for enum in message.enum_type}
    numbers = {field.number for field in message.field} | {field.name for field in message.field}
    kept_enums = [enum for enum in target.enum_type if enum.name not in enums]
    kept = [field for field in target.field if not {field.number, field.name} & numbers]
    del target.enum_type[:], target.field[:]
    target.enum_type.extend(kept_enums)
    target.field.extend(kept)
