"""Where things stand in a prototxt's text; works on texts that do not parse, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<open>[{<]) | (?P<close>[}>]) | (?P<word>[A-Za-z_]\w*)""",
    re.VERBOSE,
)


class Block(NamedTuple):
    """An opened `word {` and the line it stands in."""

    word: str
    line: int

    def __str__(self) -> str:
        return f"the {self.word} in line {self.line}" if self.word else f"line {self.line}"


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    blocks: tuple[Block, ...]
    """The blocks open before this token, outermost first."""


def _tokens(text: str) -> Iterator[_Token]:
    blocks: tuple[Block, ...] = ()
    word, line, at = "", 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        kind = str(match.lastgroup)
        yield _Token(kind, match.group(), line, blocks)
        if kind == "open":
            blocks, word = (*blocks, Block(word, line)), ""
        elif kind == "close":
            blocks = blocks[:-1]
        elif kind == "word":
            word = match.group()


def layer_lines(text: str) -> dict[str, int]:
    """The line (from 1) in which each layer begins, by the layer's name; of equal names, the first."""
    return {name: lines[0] for name, lines in all_layer_lines(text).items()}


def all_layer_lines(text: str) -> dict[str, list[int]]:
    """As layer_lines, with every layer of a name; layers of a solver's own net_param count, too."""
    lines: dict[str, list[int]] = {}
    last = ""
    for token in _tokens(text):
        words = [block.word for block in token.blocks]
        in_layer = words[-1:] in (["layer"], ["layers"]) and all(w.endswith("net_param") for w in words[:-1])
        if token.kind == "string" and last == "name" and in_layer:
            lines.setdefault(_unquoted(token.text), []).append(token.blocks[-1].line)
        if token.kind != "comment":
            last = token.text
    return lines


def unclosed(text: str, before: int | None = None) -> Block | None:
    """The outermost block still open at the end of `text`, or at the start of line `before`."""
    part = text if before is None else "".join(text.splitlines(keepends=True)[: before - 1])
    blocks: tuple[Block, ...] = ()
    for token in _tokens(part + "\n}"):
        blocks = token.blocks
    return blocks[0] if blocks else None


def _unquoted(string: str) -> str:
    try:
        return str(ast.literal_eval(string))
    except (SyntaxError, ValueError):
        return string[1:-1]
