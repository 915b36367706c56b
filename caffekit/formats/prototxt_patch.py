"""Change a prototxt's text where its message has changed: comments and layout stay as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from caffekit.errors import FormatError
from caffekit.formats.prototxt import parse
from caffekit.formats.prototxt_text import to_text

_TOKEN = re.compile(
    r"""\#[^\n]* | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*') | (?P<punct>[{}<>:;,\[\]])
      | (?P<word>[^\s{}<>:;,\[\]#"']+)""",
    re.VERBOSE,
)
Span = tuple[int, int]
Edit = tuple[int, int, str]


@dataclass
class _Field:
    """`name: value` or `name { … }`, from `start` to `end` in the text."""

    name: str
    start: int
    end: int = 0
    values: list[Span] = field(default_factory=list)
    inner: _Node | None = None


@dataclass
class _Node:
    """The fields of a message and where its closing brace stands (the end of the text for the outermost)."""

    fields: list[_Field] = field(default_factory=list)
    close: int = 0


def patched(text: str, new: Any) -> str:
    """`text` changed so that it parses to `new`; where it cannot be in place, all anew without comments.

    In place: values changed, added or taken away in any message; no layers added or taken away.
    """
    try:
        old = parse(text, type(new)(), "text")
        edits = list(_differences(text, _node(_tokens(text), len(text)), old, new))
        for start, end, instead in sorted(edits, reverse=True):
            text = text[:start] + instead + text[end:]
        if parse(text, type(new)(), "text") == new:
            return text
    except (FormatError, _NotInPlaceError):
        pass
    return to_text(new)


class _NotInPlaceError(Exception):
    pass


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _TOKEN.finditer(text) if match.lastgroup)


def _node(tokens: Iterator[re.Match[str]], end: int) -> _Node:
    """The fields up to the brace that closes the message that `tokens` are in."""
    node, here, in_list = _Node(close=end), None, False
    for token in tokens:
        kind, word = token.lastgroup, token.group()
        if word in "}>" and kind == "punct":
            node.close = token.start()
            return node
        if word in "{<" and kind == "punct" and here:
            here.inner = _node(tokens, end)
            here.end = here.inner.close + 1
        elif word in "[]" and kind == "punct":
            in_list = word == "["
        elif kind == "string" and here and here.values and not in_list and here.values[-1][0] > here.start:
            here.values[-1] = (here.values[-1][0], token.end())  # adjacent strings are one
        elif kind != "punct" and here and (in_list or not (here.values or here.inner)):
            here.values.append(token.span())
        elif kind == "word":
            here = _Field(word, token.start())
            node.fields.append(here)
        if here and not here.inner:
            here.end = token.end()  # a separator behind it goes with it
    return node


def _differences(text: str, node: _Node, old: Any, new: Any) -> Iterator[Edit]:
    """The edits that make the text of message `old` at `node` that of `new`."""
    fields = {one.name: one for one, _ in [*old.ListFields(), *new.ListFields()]}
    for name, descriptor in fields.items():
        before, after = _values(old, descriptor), _values(new, descriptor)
        if before == after:
            continue
        here = [one for one in node.fields if one.name == name]
        if descriptor.type == descriptor.TYPE_MESSAGE and before:
            if not len(before) == len(after) == len(here):
                raise _NotInPlaceError
            for inner, was, now in zip(here, before, after, strict=True):
                if inner.inner is None:
                    raise _NotInPlaceError
                yield from _differences(text, inner.inner, was, now)
            continue
        spans = [span for one in here for span in one.values]
        printed = _printed(new, descriptor)
        if len(spans) == len(after) and len(after) == len(before):
            for span, line in zip(spans, printed, strict=True):
                yield (*span, line.split(": ", 1)[1])
        else:
            yield from (_removal(text, one) for one in here)
            if printed:
                yield _insertion(text, node, printed)


def _values(message: Any, descriptor: Any) -> list[Any]:
    if descriptor.is_repeated:
        return list(getattr(message, descriptor.name))
    return [getattr(message, descriptor.name)] if message.HasField(descriptor.name) else []


def _printed(message: Any, descriptor: Any) -> list[str]:
    """The lines of one field of `message`."""
    alone = type(message)()
    for name in [one.name for one, _ in message.ListFields()]:
        if name == descriptor.name:
            alone.CopyFrom(message)
    for one, _ in alone.ListFields():
        if one.name != descriptor.name:
            alone.ClearField(one.name)
    return to_text(alone).splitlines()


def _removal(text: str, one: _Field) -> Edit:
    """Without the field, and without its line if nothing else stands there."""
    start, end = text.rfind("\n", 0, one.start) + 1, text.find("\n", one.end)
    if end >= 0 and not (text[start : one.start] + text[one.end : end]).strip(" \t;,"):
        return start, end + 1, ""
    return one.start, one.end, ""


def _insertion(text: str, node: _Node, lines: list[str]) -> Edit:
    """The lines before the closing brace: on lines of their own if the brace has one, else in its line."""
    at = text.rfind("\n", 0, node.close) + 1
    before = text[at : node.close]
    if node.close == len(text):
        return node.close, node.close, "".join(f"{line}\n" for line in lines)
    if before.strip():
        inline = " ".join(line.strip() for line in lines)
        space = "" if before[-1:].isspace() else " "
        return node.close, node.close, f"{space}{inline} "
    return at, at, "".join(f"{before}  {line}\n" for line in lines)
