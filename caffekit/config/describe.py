"""What a setting expects, in words: for messages and for the reference."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from caffekit.config.values import Epochs, Percent, Size

_WORDS: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a text", "texts"),
    Path: ("a path", "paths"),
    Size: ("WIDTHxHEIGHT in pixels, such as 32x32", "sizes"),
    Percent: ("a percentage such as 20%", "percentages"),
    Epochs: ("epochs such as '2 epochs'", "epochs"),
}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def key_of(name: str, field: FieldInfo) -> str:
    """The YAML key of a model's field."""
    return field.alias or name


def sections(
    model: type[BaseModel], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting as (key path, field), in order; sections themselves are left out."""
    for name, field in model.model_fields.items():
        path = (*above, key_of(name, field))
        inner = section_of(field.annotation)
        if inner:
            yield from sections(inner, path)
        else:
            yield path, field


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The model if `annotation` is one, that is, if the key opens a section."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def alternatives(annotation: Any) -> list[Any]:
    """The members of a union, without None."""
    while hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for arg in get_args(annotation) for leaf in alternatives(arg)]
    return [] if annotation is type(None) else [annotation]


def choices(annotation: Any) -> list[str]:
    """The words among which a setting chooses; [] where it does not."""
    literals = [a for a in alternatives(annotation) if get_origin(a) is Literal]
    return [str(value) for literal in literals for value in get_args(literal)]


def expected(annotation: Any, metadata: list[Any]) -> str:
    """What may stand there, such as "a number of at least 0" or "one of SGD, Adam"."""
    texts = [_one(kind) for kind in alternatives(annotation)]
    text = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
    bounds = [
        f"{word} {getattr(item, name):g}"
        for item in metadata
        for name, word in _BOUNDS.items()
        if isinstance(item, getattr(annotated_types, name.capitalize()))
    ]
    pattern = any(getattr(item, "pattern", None) for item in metadata)
    if pattern:
        text = "letters, digits, '.', '_' and '-'"
    if not bounds:
        return text
    return f"{text} {'' if bounds[0][0] == 'a' and bounds[0][1] == 'b' else 'of '}{' and '.join(bounds)}"


def _one(kind: Any) -> str:
    args = get_args(kind)
    if get_origin(kind) is Literal:
        words = [str(arg) for arg in args]
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    if get_origin(kind) is list:
        if section_of(args[0]):
            return "a list of blocks such as [{type: conv, width: 32}, {type: pool}]"
        plural = [_WORDS[item][1] for item in alternatives(args[0])]
        return f"a list of {' or '.join(plural)}"
    if get_origin(kind) is tuple:
        return "two numbers such as [0.8, 1.2]"
    if get_origin(kind) is dict and section_of(args[1]):
        return "names with keys of their own, such as {fc6: {lr_mult: 10}}"
    if get_origin(kind) is dict:
        return "names with numbers, such as {accuracy: 0.95}"
    return _WORDS[kind][0]
