"""pipeline.yaml, --set and flags → checked settings; every mistake is reported at once."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from caffekit.config.describe import alternatives, key_of, section_of
from caffekit.config.problems import error_path, near, sentence
from caffekit.config.schema import Settings
from caffekit.config.yaml12 import Key, Layer, Place, parse
from caffekit.errors import ConfigError, UsageError, os_errors
from caffekit.report import dumps

HINT = "docs/configuration.md lists every key; `caffekit config show` prints what is in force"
# Of these only one can be given; the one given nearer to the command line wins.
RIVALS = [
    ("solver", "epochs", "max_iter"),
    ("net", "template", "prototxt"),
    ("gen_lmdb", "resize", "resize_short"),
]


@dataclass
class Loaded:
    """Checked settings, and where each given value came from."""

    settings: Settings
    places: dict[Key, Place]


def load_settings(
    path: Path | None = None, overrides: tuple[str, ...] = (), flags: dict[str, Any] | None = None
) -> Settings:
    """The settings of `path`, changed by `overrides` ("a.b=value") and `flags` ({section: {key: value}}).

    Flag > --set > file > default; a flag that is None was not given. ConfigError names every mistake.
    """
    return load(path, overrides, flags).settings


def load(
    path: Path | None = None, overrides: tuple[str, ...] = (), flags: dict[str, Any] | None = None
) -> Loaded:
    """As load_settings, with the place of every value."""
    layers = _file_layers(path) if path else []
    layers += [_override(text) for text in overrides]
    layers.append(_flags(flags or {}))
    problems = [problem for layer in layers for problem in layer.problems]
    merged = Layer()
    for layer in layers:
        _merge(merged, layer)
    _anchor_paths(Settings, merged, (), Path(path).parent if path else Path())
    settings, found = _validate(merged)
    problems += found
    if problems or settings is None:
        raise ConfigError(_in_order(problems), HINT)
    return Loaded(settings, merged.places)


def _file_layers(path: Path, above: tuple[Path, ...] = ()) -> list[Layer]:
    """The file's layer, with those that it extends under it."""
    layer = _read(path)
    extends = layer.values.pop("extends", None)
    place = layer.places.pop(("extends",), None)
    under: list[Layer] = []
    if isinstance(extends, str) and place:
        base = Path(os.path.normpath(path.parent / extends))
        seen = (*above, path)
        if base in seen:
            layer.problems.append(f"{place.text}: extends: {base} extends this file itself")
        elif not base.is_file():
            layer.problems.append(f"{place.text}: extends: no such file: {base}{_near_file(base)}")
        else:
            under = _file_layers(base, seen)
    elif place:
        layer.problems.append(f"{place.text}: extends: expected the path of one file")
    return [*under, layer]


def _read(path: Path) -> Layer:
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a config file", "give the YAML file in it")
    if not path.exists():
        raise UsageError(
            f"no such config file: {path}{_near_file(path)}", "give the path of a YAML file to -c"
        )
    with os_errors("reading", path):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: not UTF-8 text"], "save the file as UTF-8") from error
    layer = parse(text, str(path), path.parent)
    if not layer.problems and "version" not in layer.values:
        layer.problems.append(f"{path}:1: version: missing; expected the line `version: 1`")
    return layer


def _near_file(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"; there is no folder {folder} either"
    return near(path.name, [p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml")])


def _override(text: str) -> Layer:
    """One `--set a.b=value`."""
    key, equals, value = text.partition("=")
    names = [name.strip().replace("-", "_") for name in key.split(".")]
    if not equals or not all(names):
        return Layer(problems=[f"--set {text}: expected KEY=VALUE, such as solver.base_lr=0.001"])
    place = f"--set {key}=…"
    one = parse(f"value: {value}", "--set", Path(), place)
    if one.problems:
        return Layer(problems=one.problems)
    inner: Any = one.values.get("value")
    for name in reversed(names):
        inner = {name: inner}
    places: dict[Key, Place] = {(*names, *path[1:]): each for path, each in one.places.items() if path}
    places |= {tuple(names[:n]): Place(place, Path()) for n in range(1, len(names))}
    return Layer(inner, places)


def _flags(flags: dict[str, Any]) -> Layer:
    """The command's own options: {section: {key: value}}, or {key: value} at the top."""
    layer = Layer()
    for name, value in flags.items():
        for key, given in value.items() if isinstance(value, dict) else [("", value)]:
            if given is None or given == ():
                continue
            path = (name, key) if key else (name,)
            layer.places[path] = Place(f"--{path[-1].replace('_', '-')}", Path())
            layer.places.setdefault((name,), layer.places[path])
            target = layer.values.setdefault(name, {}) if key else layer.values
            target[path[-1]] = _plain(given)
    return layer


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _merge(under: Layer, over: Layer) -> None:
    """Put `over` on `under`: sections merge, everything else replaces."""
    for section, *rivals in RIVALS:
        given = over.values.get(section)
        below = under.values.get(section)
        if (
            isinstance(given, dict)
            and isinstance(below, dict)
            and any(given.get(k) is not None for k in rivals)
        ):
            for rival in rivals:
                below.pop(rival, None)
                under.places.pop((section, rival), None)
    under.values = _merged(under.values, over.values, (), under.places)
    under.places.update(over.places)


def _merged(low: Any, high: Any, path: Key, places: dict[Key, Place]) -> Any:
    if isinstance(low, dict) and isinstance(high, dict):
        both = {name: _merged(low[name], high[name], (*path, name), places) for name in low if name in high}
        return {**low, **copy.deepcopy(high), **both}
    for stale in [key for key in places if key[: len(path)] == path and len(key) > len(path)]:
        del places[stale]
    return copy.deepcopy(high)


def _anchor_paths(model: type[BaseModel], layer: Layer, above: Key, home: Path) -> None:
    """Make paths relative to where they were given; defaults stand beside the config file."""
    values: Any = layer.values
    for part in above:
        values = values[part]
    for name, field in model.model_fields.items():
        key = key_of(name, field)
        inner = section_of(field.annotation)
        if inner:
            if values.get(key) is None:  # `augment:` with every key commented out
                values[key] = {}
            if isinstance(values[key], dict):
                _anchor_paths(inner, layer, (*above, key), home)
        elif Path in _leaves(field.annotation):
            place = layer.places.get((*above, key))
            if place:
                values[key] = _anchored(values[key], place.folder)
            elif isinstance(field.default, Path):
                values[key] = _anchored(str(field.default), home)


def _leaves(annotation: Any) -> list[Any]:
    kinds = alternatives(annotation)
    return kinds + [
        leaf for kind in kinds for arg in getattr(kind, "__args__", ()) for leaf in alternatives(arg)
    ]


def _anchored(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_anchored(item, folder) for item in value]
    if isinstance(value, str) and value:
        return os.path.normpath(folder / os.path.expanduser(value))
    return value


def _validate(layer: Layer) -> tuple[Settings | None, list[str]]:
    """Check against the schema; what is wrong is taken out and the rest checked again."""
    problems: dict[Key, str] = {}  # rules across keys speak only when the keys themselves are right
    values = copy.deepcopy(layer.values)
    for _ in range(4):
        try:
            settings = Settings.model_validate_json(dumps(values), strict=True)
        except ValidationError as error:
            for one in error.errors():
                path = error_path(one, Settings)
                problems.setdefault(path, sentence(one, Settings, layer.values, layer.places))
                _remove(values, path)
        else:
            return (None if problems else settings), list(problems.values())
    return None, list(problems.values())


def _remove(values: Any, path: Key) -> None:
    """Take out the setting at `path` (the whole list where one item is wrong)."""
    names = list(takewhile(lambda part: isinstance(part, str), path))
    for part in names[:-1]:
        values = values.get(part, {})
    values.pop(names[-1] if names else "", None)


def _in_order(problems: Iterable[str]) -> list[str]:
    """By file and line; the same sentence once."""

    def key(text: str) -> tuple[str, int]:
        name, _, rest = text.partition(":")
        line = rest.partition(":")[0]
        return name, int(line) if line.isdigit() else 0

    return sorted(dict.fromkeys(problems), key=key)
