"""`config show`: the settings in force, and where each came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffekit.config import load, resolved_yaml
from caffekit.config.describe import sections
from caffekit.config.problems import lookup, place_of
from caffekit.config.schema import Settings
from caffekit.config.yaml12 import dotted, shown
from caffekit.report import Report


def show(path: Path | None, overrides: tuple[str, ...] = (), origin: bool = False) -> Report:
    """The resolved YAML; with `origin` one line per setting, with its place (or "default")."""
    loaded = load(path, overrides)
    values = loaded.settings.model_dump(mode="json", by_alias=True, exclude={"extends"})
    origins = {
        dotted(key): place_of(key, loaded.places) if key in loaded.places else "default"
        for key, _ in sections(Settings)
        if key != ("extends",)
    }
    summary: dict[str, Any] = {"settings": values, "origins": origins}
    if not origin:
        return Report("config show", summary, resolved_yaml(loaded.settings).splitlines())
    texts = {key: _text(lookup(values, tuple(key.split(".")))) for key in origins}
    keys = max(map(len, texts))
    width = min(24, max(len(text) for text in texts.values()))  # fits 80 columns
    lines = [f"{key:{keys}}  {text:{width}}  {origins[key]}" for key, text in texts.items()]
    return Report("config show", summary, lines)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "-" if value is None else shown(value)
