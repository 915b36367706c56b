"""YAML text → plain values, and where each of them stands.

Scalars follow the core schema of YAML 1.2: `1e-3` is a number, `no`, `on` and `12:30` are text, `010` is 10.
Duplicate keys are mistakes. Nothing but mappings, lists and scalars can come out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Key = tuple[str | int, ...]

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_STR = "tag:yaml.org,2002:str"
_PLAIN = "plain"

SCALARS = {
    _NULL: re.compile(r"~|null|Null|NULL|"),
    _BOOL: re.compile(r"true|True|TRUE|false|False|FALSE"),
    _INT: re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    _FLOAT: re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}


@dataclass(frozen=True)
class Place:
    """Where a value was given: "FILE:LINE" or an option, and what its relative paths start from."""

    text: str
    folder: Path


@dataclass
class Layer:
    """The values that one source gives, the place of each, and what is wrong with the text itself."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """Only used to compose nodes: no YAML 1.1 guesses; unquoted scalars without a tag are marked."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a node that carries none."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _STR
        return "tag:yaml.org,2002:map" if kind is yaml.MappingNode else "tag:yaml.org,2002:seq"


def scalar(text: str) -> Any:
    """The value of an unquoted scalar."""
    tag = next((tag for tag, pattern in SCALARS.items() if pattern.fullmatch(text)), _STR)
    return _scalar(tag, text)


def _scalar(tag: str, text: str) -> Any:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if tag == _FLOAT:
        return float(re.sub(r"\.(?=[a-zA-Z])", "", text))
    return text


def parse(text: str, name: str, folder: Path, place: str = "") -> Layer:
    """Parse `text`; `place` stands for every "NAME:LINE" where the text is not a file's."""
    layer = Layer()
    try:
        node = yaml.compose(text, Loader=_Loader)  # noqa: S506 - nothing is constructed from it
    except yaml.YAMLError as error:
        layer.problems.append(_syntax(error, text, name, place))
        return layer
    reader = _Reader(layer, name, folder, place)
    value = reader.value(node, (), ()) if node is not None else {}
    if isinstance(value, dict):
        layer.values = value
    elif not layer.problems:
        layer.problems.append(f"{place or name + ':1'}: expected `key: value` lines, got {shown(value)}")
    return layer


@dataclass
class _Reader:
    layer: Layer
    name: str
    folder: Path
    place: str

    def where(self, node: yaml.Node) -> str:
        return self.place or f"{self.name}:{node.start_mark.line + 1}"

    def value(self, node: yaml.Node, key: Key, above: tuple[yaml.Node, ...]) -> Any:
        self.layer.places.setdefault(key, Place(self.where(node), self.folder))
        if any(node is one for one in above):
            self.layer.problems.append(f"{self.where(node)}: {dotted(key)}: this alias contains itself")
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*key, i), (*above, node)) for i, item in enumerate(node.value)]
        return self.scalar(node, key)

    def mapping(self, node: yaml.MappingNode, key: Key, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if fault := _key_fault(name_node):
                self.layer.problems.append(f"{self.where(name_node)}: {dotted(key) or 'at the top'}: {fault}")
                continue
            name = str(name_node.value)
            path = (*key, name)
            if name in out:
                first = self.layer.places[path].text
                self.layer.problems.append(
                    f"{self.where(name_node)}: {dotted(path)}: given twice, first at {first}"
                )
                continue
            self.layer.places[path] = Place(self.where(name_node), self.folder)
            out[name] = self.value(value_node, path, above)
        return out

    def scalar(self, node: yaml.Node, key: Key) -> Any:
        text = str(node.value)
        if node.tag in SCALARS and SCALARS[node.tag].fullmatch(text):
            return _scalar(node.tag, text)
        if node.tag not in (_STR, _PLAIN):
            self.layer.problems.append(f"{self.where(node)}: {dotted(key)}: not a {node.tag}: {shown(text)}")
        return scalar(text) if node.tag == _PLAIN else text


def _key_fault(node: yaml.Node) -> str:
    """What is wrong with a key, whatever it is called."""
    if not isinstance(node, yaml.ScalarNode):
        return "a key must be one word, not a list or mapping"
    if node.value == "<<":
        return "merge keys (<<) are not part of YAML 1.2: write the keys out, or use extends"
    return ""


def _syntax(error: yaml.YAMLError, text: str, name: str, place: str) -> str:
    """One sentence for a text that is not YAML."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    conflict = re.search(r"^(<{7} |={7}$|>{7} )", text, re.MULTILINE)
    if conflict and not place:
        line = text.count("\n", 0, conflict.start()) + 1
        return f"{name}:{line}: a git merge conflict is still in this file: choose one side"
    what = str(getattr(error, "problem", None) or error).splitlines()[0]
    if "'\\t'" in what:
        what = "a tab where YAML needs spaces"
    return f"{place or f'{name}:{line}'}: not valid YAML: {what}"


def dotted(key: Key) -> str:
    """("split", "val") → split.val, ("data", "benchmark", 1) → data.benchmark[1]."""
    out = ""
    for part in key:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def shown(value: Any) -> str:
    """`value` as a message quotes it: short, in YAML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value if len(value) <= 40 else value[:39] + '…'}'"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) >= 1e6 or not value.is_integer() else f"{value:.1f}"
    if isinstance(value, list):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
        return text if len(text) <= 50 else f"a list of {len(value)}"
    if isinstance(value, dict):
        if all(isinstance(item, (int, float)) for item in value.values()):
            return "{" + ", ".join(f"{name}: {shown(item)}" for name, item in value.items()) + "}"
        return "a mapping (" + ", ".join(map(str, value)) + ")" if len(value) <= 4 else "a mapping"
    return str(value)
