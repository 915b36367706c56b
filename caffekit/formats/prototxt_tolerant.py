"""Prototxt that BVLC's Caffe would not read: what it does not know is named and left out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffekit.formats.proto import file_descriptor, forks, message_class
from caffekit.formats.proto.elsewhere import ELSEWHERE
from caffekit.formats.prototxt import parse, read_text

_TOKEN = re.compile(
    r"""\#[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | [{}<>\[\]:;,] | [^\s{}<>\[\]:;,\#"']+""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">", "[": "]"}


class Unknown(NamedTuple):
    """A field, or an enum's value, that BVLC's caffe.proto does not have (or has once, and it stands twice).

    `layer` is the name of the layer around it, `forks` who is known to have it; `kept`: it is read
    nevertheless, as that fork's.
    """

    line: int
    layer: str
    message: str
    forks: tuple[str, ...]
    kept: bool = False


def read_tolerant(path: Path, kind: str = "NetParameter") -> tuple[Any, list[Unknown]]:
    """(the `kind` in `path`, what of it BVLC's Caffe does not know).

    The message is that of the fork that knows most of it, and lacks the rest. FormatError for what is no
    prototxt at all; DataError for a file that is not there.
    """
    text = read_text(path).removeprefix("\ufeff")
    unknown = _scan(text, file_descriptor().message_types_by_name[kind])
    if not unknown.found:
        return parse(text, message_class(kind)(), str(path)), []
    scans = [("", unknown)]
    scans += [(fork, _scan(text, file_descriptor(fork).message_types_by_name[kind])) for fork in forks()]
    fork, least = min(scans, key=lambda pair: len(pair[1].found))
    lost = {start for start, _ in least.spans}
    starts = [start for start, _ in unknown.spans]
    found = [one._replace(kept=start not in lost) for one, start in zip(unknown.found, starts, strict=True)]
    return parse(_without(text, least.spans), message_class(kind, fork)(), str(path)), found


def looks_like_solver(text: str) -> bool:
    """Whether more top-level fields of `text` are a solver's than a net's."""
    types = file_descriptor().message_types_by_name
    solver, net = types["SolverParameter"].fields_by_name, types["NetParameter"].fields_by_name
    names = list(_top_fields(text))
    return sum(name in solver for name in names) > sum(name in net for name in names)


def _top_fields(text: str) -> Iterator[str]:
    depth, last = 0, ""
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "{<":
            if depth == 0 and last.isidentifier():
                yield last
            depth += 1
        elif token in "}>":
            depth -= 1
        elif token == ":" and depth == 0:
            yield last
        last = token


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with `spans` blanked, every line where it was."""
    for start, end in spans:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def _scan(text: str, kind: Descriptor) -> _Scan:
    tokens = [(m.group(), m.start()) for m in _TOKEN.finditer(text) if not m.group().startswith("#")]
    scan = _Scan(text, tokens)
    scan.fields(0, kind, "")
    return scan


@dataclass
class _Scan:
    """Follows the tokens of a text through the descriptor of its message."""

    text: str
    tokens: list[tuple[str, int]]
    found: list[Unknown] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    def fields(self, at: int, kind: Descriptor, layer: str) -> int:
        """Go through the fields of one message from token `at`; gives the token that closes it."""
        seen: set[str] = set()
        while at < len(self.tokens) and self.tokens[at][0] not in ("}", ">"):
            name = self.tokens[at][0]
            if not re.match(r"[A-Za-z_]", name):
                at += 1
                continue
            value = at + 1 + (self._token(at + 1) == ":")
            if name == "name" and kind.name in ("LayerParameter", "V1LayerParameter"):
                layer = self._token(value).strip("\"'")
            end = self._end(value)
            known = kind.fields_by_name.get(name)
            problem = self._problem(kind, name, known, self._token(value), seen)
            if problem:
                self._note(at, end, layer, *problem)
            elif known is not None and known.message_type and self._token(value) in ("{", "<"):
                self.fields(value + 1, known.message_type, layer)
            seen.add(name)
            at = end
        return at

    def _problem(
        self, kind: Descriptor, name: str, known: Any, value: str, seen: set[str]
    ) -> tuple[str, tuple[str, ...]] | None:
        """What is wrong with one field, and which forks have it."""
        if known is None:
            near = difflib.get_close_matches(name, list(kind.fields_by_name), n=1, cutoff=0.75)
            owners = _owners(kind.name, name)
            hint = f'; did you mean "{near[0]}"?' if near and not owners else ""
            return f'{kind.name} has no field "{name}"{hint}', owners
        if not known.is_repeated and name in seen:
            return f'{kind.name} takes one "{name}", this is another', ()
        word = re.fullmatch(r"[A-Za-z_]\w*", value)
        if known.type == FieldDescriptor.TYPE_ENUM and (word or value[:1] in "\"'"):
            values = known.enum_type.values_by_name
            if value not in values:
                plain = value.strip("\"'")
                near = difflib.get_close_matches(plain.upper(), list(values), n=1)
                hint = f'; did you mean "{near[0]}"?' if near else ""
                return f"{name} has no value {plain}{hint}", _owners(kind.name, plain)
        return None

    def _note(self, at: int, end: int, layer: str, message: str, owners: tuple[str, ...]) -> None:
        start = self.tokens[at][1]
        stop = self.tokens[end - 1][1] + len(self.tokens[end - 1][0])
        self.found.append(Unknown(self.text.count("\n", 0, start) + 1, layer, message, owners))
        self.spans.append((start, stop))

    def _token(self, at: int) -> str:
        return self.tokens[at][0] if at < len(self.tokens) else ""

    def _end(self, at: int) -> int:
        """The token after the value that begins at `at`: a block, a list, strings in a row, or one word."""
        closing = _CLOSING.get(self._token(at))
        if closing is None:
            at += 1
            while self._token(at)[:1] in ('"', "'") and self._token(at - 1)[:1] in ('"', "'"):
                at += 1
            return min(at, len(self.tokens))
        depth = 0
        while at < len(self.tokens):
            depth += (self._token(at) in _CLOSING) - (self._token(at) in _CLOSING.values())
            at += 1
            if depth == 0:
                break
        return at


def _owners(message: str, name: str) -> tuple[str, ...]:
    """The forks that are known to have `name` in `message`."""
    laid_over = []
    for fork in forks():
        kind = file_descriptor(fork).message_types_by_name.get(message)
        if kind is not None and name in kind.fields_by_name:
            laid_over.append(fork)
    return tuple(laid_over) or ELSEWHERE.get((message, name), ())
