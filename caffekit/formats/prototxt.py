"""Prototxt: Caffe's nets and solvers as text, with errors that name the line and the nearest right word."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from caffekit.errors import FormatError, os_errors
from caffekit.formats.atomic import write_text
from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter
from caffekit.formats.proto import file_descriptor, forks, message_class
from caffekit.formats.prototxt_scan import layer_lines, unclosed
from caffekit.formats.prototxt_text import to_text
from caffekit.formats.upgrade import silent, upgrade_net, upgrade_solver
from caffekit.formats.upgrade_v0 import Say

__all__ = ["layer_lines", "parse", "read_net", "read_solver", "read_text", "to_text", "write_prototxt"]


def read_net(path: Path, say: Say = silent) -> Any:
    """The NetParameter in `path`, old forms upgraded as Caffe does when it reads; `say` hears what it logs.

    FormatError `FILE:LINE:COLUMN: …` for what Caffe would not parse, DataError for a file that is not there.
    """
    text = read_text(path)
    return upgrade_net(parse(text, NetParameter(), str(path)), str(path), say)


def read_solver(path: Path, say: Say = silent) -> Any:
    """The SolverParameter in `path`, its old solver_type upgraded; errors as read_net."""
    return upgrade_solver(parse(read_text(path), SolverParameter(), str(path)), str(path), say)


def write_prototxt(path: Path, message: Any, header: str = "") -> None:
    """Write `message` as text, atomically, after `header` (comment lines, ended by a newline)."""
    write_text(Path(path), header + to_text(message))


def read_text(path: Path) -> str:
    """The text of `path`: UTF-8, with or without a byte order mark, lines ended by LF or CRLF."""
    with os_errors("reading", path):
        data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(f"{path}:{line}: not UTF-8 text", "save the file as UTF-8") from error
    if "\0" in text:
        raise FormatError(f"{path}: a binary file, not a prototxt", "is it weights (.caffemodel)?")
    return text.replace("\r\n", "\n")


def parse(text: str, message: Any, name: str) -> Any:
    """`message`, filled from `text`; `name` stands for the text in errors.

    Strictly BVLC's fields; a text with other fields gives the message of the fork that knows them all (of
    several such forks, the one with the fewest fields of its own).
    FormatError `NAME:LINE:COLUMN: …`, one line, otherwise.
    """
    text = text.removeprefix("\ufeff")
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        if (unknown := _UNKNOWN_FIELD.search(str(error))) and (forked := _parse_forked(text, message)):
            return forked
        hint = _fork_hint(text, message, *unknown.groups()) if unknown else ""
        raise FormatError(_sentence(text, message, name, error), hint) from error


def _parse_forked(text: str, message: Any) -> Any:
    """`text` as the message of the smallest fork that knows all its fields; None if none does."""
    for fork in forks():
        try:
            return text_format.Parse(text, message_class(message.DESCRIPTOR.name, fork)())
        except text_format.ParseError:
            continue
    return None


def _fork_hint(text: str, message: Any, owner: str, field: str) -> str:
    """Which fork has the unknown field, and what that fork does not know."""
    messages = {fork: file_descriptor(fork).message_types_by_name.get(owner) for fork in forks()}
    known = [fork for fork, found in messages.items() if found and field in found.fields_by_name]
    if len(known) != 1:
        return f"{field} is a field of the Caffe forks {', '.join(known)}" if known else ""
    theirs = message_class(message.DESCRIPTOR.name, known[0])()
    try:
        text_format.Parse(text, theirs)
    except text_format.ParseError as error:
        sentence = _sentence(text, theirs, "", error)[1:]
        return f"{field} is a field of the Caffe fork {known[0]}; as its file: {sentence}"
    return ""


_UNKNOWN_FIELD = re.compile(r'Message type "caffe\.(\S+)" has no field named "([^"]*)"')
_TWICE = re.compile(r'Message type "caffe\.(\S+)" should not have multiple "([^"]*)" fields')
_ENUM = re.compile(r'Enum type "caffe\.(\S+)" has no value (?:named|with number) (\w+)')
_QUOTED_LINE = re.compile(r"^'.*': (?=\S)", re.DOTALL)


def _sentence(text: str, message: Any, name: str, error: text_format.ParseError) -> str:
    """One line: where, what is wrong, and what was probably meant."""
    detail = re.sub(r"^[\d: ]+", "", str(error))
    line, column = error.GetLine() or 1, error.GetColumn() or 1
    if found := _UNKNOWN_FIELD.search(detail):
        detail = _unknown_field(text, message, line, *found.groups())
    elif found := _TWICE.search(detail):
        detail = f'{found[1]} has more than one "{found[2]}"; it takes one'
    elif found := _ENUM.search(detail):
        detail = _unknown_value(message, *found.groups())
    elif detail == 'Expected "}".' and (opened := unclosed(text)):
        line, column = text.count("\n") + (not text.endswith("\n")), 1
        detail = f'the file ends, but the "{{" of {opened} is not closed'
    else:
        detail = _QUOTED_LINE.sub("", detail).rstrip(".").replace("\n", " ")
        detail = detail[0].lower() + detail[1:]
        detail = 'a "}" that closes nothing' if detail.endswith("number, got }") else detail
    return f"{name}:{line}:{column}: {detail}"


def _unknown_field(text: str, message: Any, line: int, owner: str, field: str) -> str:
    fields = list(message.DESCRIPTOR.file.message_types_by_name[owner].fields_by_name)
    if owner != "NetParameter" and field in {"layer", "layers"} and (opened := unclosed(text, before=line)):
        return f'the "{{" of {opened} is not closed before this {field}'
    nearest = difflib.get_close_matches(field, fields, n=1)
    return f'{owner} has no field "{field}"' + (f'; did you mean "{nearest[0]}"?' if nearest else "")


def _unknown_value(message: Any, enum: str, value: str) -> str:
    owner, _, short = enum.rpartition(".")
    file = message.DESCRIPTOR.file
    home = file.message_types_by_name[owner] if owner else file
    names = list(home.enum_types_by_name[short].values_by_name)
    nearest = difflib.get_close_matches(value.upper(), names, n=1)
    ending = f'; did you mean "{nearest[0]}"?' if nearest else f"; it takes {' '.join(names)}"
    return f'{short} has no value "{value}"{ending}'
