"""Every shipped config loads; shipped files are found from a checkout and from the installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.config import load_settings, shipped, shipped_folder, shipped_names
from caffekit.errors import UsageError

CONFIGS = sorted(shipped_folder("configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_configs_load_and_say_how_to_use_them(path: Path) -> None:
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


def test_the_installed_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shipped.__globals__, "_PACKAGE", tmp_path / "caffekit")
    assert shipped_folder("configs") == tmp_path / "configs"
    (tmp_path / "caffekit" / "configs").mkdir(parents=True)
    assert shipped_folder("configs") == tmp_path / "caffekit" / "configs"
