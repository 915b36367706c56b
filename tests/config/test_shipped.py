"""Every shipped config loads; shipped files are found by name only."""

from __future__ import annotations

import pytest

from caffekit.config import load_settings, shipped, shipped_folder, shipped_names
from caffekit.errors import UsageError

CONFIGS = sorted(shipped_folder("configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_configs_load_and_say_how_to_use_them(path) -> None:  # type: ignore[no-untyped-def]
    load_settings(path)
    head = path.read_text().split("version:")[0]
    assert head.startswith("# ") and "caffekit " in head


def test_there_are_configs() -> None:
    assert CONFIGS


def test_shipped() -> None:
    assert shipped("prototxt_templates", "lenet.prototxt").is_file()
    assert "digits.yaml" in shipped_names("configs")


@pytest.mark.parametrize("name", ["none.yaml", "../README.md", "parts"])
def test_what_is_not_shipped(name: str) -> None:
    with pytest.raises(UsageError, match="no .* in configs"):
        shipped("configs", name)
