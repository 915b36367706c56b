"""Scalars as YAML 1.2 has them, positions, and texts that are not YAML."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from caffekit.config.yaml12 import parse, scalar, shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.5", 1.5), ("5.", 5.0), (".5", 0.5), ("-2", -2), ("+3", 3), ("010", 10),
        ("0x10", 16), ("0o17", 15), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("off", "off"), ("12:30", "12:30"), ("1_000", "1_000"),
        ("0b11", "0b11"), ("2026-11-24", "2026-11-24"), ("1e", "1e"), ("x", "x"), ("-", "-"), ("=", "="),
        ("<<", "<<"), (".inf", math.inf), ("-.inf", -math.inf), ("33%", "33%"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    got = scalar(text)
    assert got == value
    assert type(got) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(scalar(".nan"))


def read(text: str) -> Any:
    return parse(text, "f.yaml", Path())


def test_values_and_places() -> None:
    layer = read("a: 1\nb:\n  c: [x, 'no', \"1\"]\n  d: !!str 5\n")
    assert layer.values == {"a": 1, "b": {"c": ["x", "no", "1"], "d": "5"}}
    assert layer.places[("b", "c", 1)].text == "f.yaml:3"
    assert layer.places[("b", "d")].text == "f.yaml:4"
    assert not layer.problems


def test_an_empty_file_holds_nothing() -> None:
    assert read("# nothing\n").values == {}


def test_aliases_are_followed() -> None:
    assert read("a: &x {k: 1}\nb: *x\n").values == {"a": {"k": 1}, "b": {"k": 1}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: given twice, first at f.yaml:1"),
        ("s:\n  k: 1\n  k: 2\n", "f.yaml:3: s.k: given twice, first at f.yaml:2"),
        ("a:\n\tb: 1\n", "f.yaml:2: not valid YAML: a tab where YAML needs spaces"),
        ("a: [1\n", "f.yaml:2: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n",
         "f.yaml:2: a git merge conflict is still in this file: choose one side"),
        ("- a\n- b\n", "f.yaml:1: expected `key: value` lines, got ['a', 'b']"),
        ("just text\n", "f.yaml:1: expected `key: value` lines, got 'just text'"),
        ("a: &x\n  b: *x\n", "f.yaml:1: a.b: this alias contains itself"),
        ("a: !bang x\n", "f.yaml:1: a: not a !bang: 'x'"),
        ("a: !!int x\n", "f.yaml:1: a: not a tag:yaml.org,2002:int: 'x'"),
        ("s:\n  <<: {k: 1}\n",
         "f.yaml:2: s: merge keys (<<) are not part of YAML 1.2: write the keys out, or use extends"),
        ("? [a, b]\n: 1\n", "f.yaml:1: at the top: a key must be one word, not a list or mapping"),
        ("a: 1\n---\nb: 1\n", "f.yaml:2: not valid YAML: but found another document"),
    ],
)  # fmt: skip
def test_problems_name_the_line(text: str, problem: str) -> None:
    assert read(text).problems == [problem]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"), (True, "true"), ("x" * 60, "'" + "x" * 39 + "…'"), (10000.0, "10000.0"),
        (1e-3, "0.001"),
        ([1, "a"], "[1, 'a']"), (list(range(40)), "a list of 40"), ({"a": "x"}, "a mapping (a)"),
        ({"a": 1}, "{a: 1}"),
    ],
)  # fmt: skip
def test_values_are_shown_short(value: Any, text: str) -> None:
    assert shown(value) == text
