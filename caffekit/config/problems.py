"""pydantic's findings → one sentence a person can act on, with place and "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from caffekit.config.describe import alternatives, choices, expected, key_of, section_of, sections
from caffekit.config.yaml12 import Key, Place, dotted, shown

# Words of other tools.
_OTHER_WORDS = {"lr": "base_lr", "learning_rate": "base_lr", "num_epochs": "epochs", "iterations": "max_iter"}
_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def sentence(
    error: ErrorDetails, model: type[BaseModel], values: dict[str, Any], places: dict[Key, Place]
) -> str:
    """`PLACE: key.path: what is wrong`."""
    path, annotation, metadata = _field(error["loc"], model)
    given = lookup(values, path)
    where = place_of(path, places)
    if error["type"] == "extra_forbidden":
        return f"{where}: {dotted(path)}: unknown key{_near_key(path, model)}"
    if error["type"] == "cross":
        context = error["ctx"]
        path = (*path, context["key"])
        return f"{place_of(path, places)}: {dotted(path)}: {context['text']}"
    if section_of(annotation):
        keys = "keys of its own, indented under it"
        return f"{where}: {dotted(path)}: expected {keys}, got {shown(given)}"
    words = choices(annotation)
    if error["type"] == "choice":
        words = error["ctx"]["words"]
        want = f"one of {', '.join(words)}"
    elif error["type"] == "value_error":  # of our own value types: they know best
        want = str(error["ctx"]["error"]).removeprefix("expected ")
    else:
        want = expected(annotation, metadata)
    return (
        f"{where}: {dotted(path)}: expected {want}, got {shown(given)}{_near_value(given, words, annotation)}"
    )


def error_path(error: ErrorDetails, model: type[BaseModel]) -> Key:
    """The key path that `error` is about, without pydantic's marks for union members."""
    return _field(error["loc"], model)[0]


def _field(loc: Key, model: type[BaseModel]) -> tuple[Key, Any, list[Any]]:
    """Follow `loc` through the model: (key path, annotation, constraints)."""
    annotation: Any = model
    metadata: list[Any] = []
    path: Key = ()
    for part in loc:
        section = section_of(annotation)
        if section:
            found = next((f for n, f in section.model_fields.items() if key_of(n, f) == part), None)
            path = (*path, part)
            if found is None:
                return path, None, []
            annotation, metadata = found.annotation, found.metadata
        elif isinstance(part, int):
            lists = [a for a in alternatives(annotation) if get_args(a)]
            if not lists or part >= 1 << 20:
                break
            path, annotation, metadata = (*path, part), get_args(lists[0])[0], []
    return path, annotation, metadata


def place_of(path: Key, places: dict[Key, Place]) -> str:
    """The place of `path`, or of the nearest section above it that was given."""
    while path and path not in places:
        path = path[:-1]
    return places[path].text if path in places else "default"


def lookup(values: Any, path: Key) -> Any:
    """The value at `path`; None where there is none."""
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def near(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Say "; did you mean X?" for the known word that is nearest to `word`, or nothing."""
    folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=cutoff)
    return f"; did you mean {folded[found[0]]}?" if found else ""


def _near_key(path: Key, model: type[BaseModel]) -> str:
    """The nearest key of the same section, else the same key in another section."""
    section: type[BaseModel] = model
    for part in path[:-1]:
        # a section, or a list of them
        inner = next((f for n, f in section.model_fields.items() if key_of(n, f) == part), None)
        kinds = [inner.annotation, *get_args(inner.annotation)] if inner else []
        section = next((found for found in map(section_of, kinds) if found), section)
    name = _OTHER_WORDS.get(str(path[-1]), str(path[-1]))
    known = [key_of(n, f) for n, f in section.model_fields.items()]
    elsewhere = [key for key, _ in sections(model) if key[-1] == name]
    if name in known:
        return f"; did you mean {name}?"
    if elsewhere:
        return "; did you mean " + " or ".join(dotted(key) for key in elsewhere[:2]) + "?"
    if name.isdecimal():  # {gpu: 0,1} is a key gpu and a key 1
        return "; a list is written in brackets, such as [0, 1]"
    hint = near(name.replace("-", "_"), known)
    if hint:
        return hint
    return f"; expected one of {', '.join(known)}" if len(known) <= 12 else ""


def _near_value(given: Any, words: list[str], annotation: Any) -> str:
    kinds = alternatives(annotation)
    if isinstance(given, (bool, int, float)) and (str in kinds or Path in kinds) and not words:
        return "; put it in quotes if it is meant as text"
    if isinstance(given, str) and words:
        return near(given, words)
    if isinstance(given, str) and bool in kinds and given.lower() in _BOOLEANS:
        return f"; did you mean {_BOOLEANS[given.lower()]}?"
    if isinstance(given, float) and int in kinds and given.is_integer():
        return f"; did you mean {int(given)}?"
    if isinstance(given, str) and (int in kinds or float in kinds):
        bare = given.strip().replace(",", "").replace("_", "")
        return f"; did you mean {bare}?" if bare.isdigit() else ""
    return ""
