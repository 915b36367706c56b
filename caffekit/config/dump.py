"""Settings → YAML that loads back as the same settings, from anywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from caffekit.config.schema import Settings
from caffekit.config.yaml12 import scalar


class _Dumper(yaml.SafeDumper):
    """Quotes exactly the texts that YAML 1.2 would read as something else."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if scalar(value) != value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def absolute(settings: Settings) -> Settings:
    """The same settings with every path absolute."""
    return Settings.model_validate(_absolute(settings.model_dump(by_alias=True)))


def resolved_yaml(settings: Settings) -> str:
    """Every setting, defaults included; paths are absolute, so that the file may stand anywhere."""
    values = absolute(settings).model_dump(mode="json", by_alias=True, exclude={"extends"})
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None)


def _absolute(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _absolute(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    return Path(os.path.abspath(value)) if isinstance(value, Path) else value
