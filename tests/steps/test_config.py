"""config show: YAML that loads back, origins that name the place."""

from __future__ import annotations

from pathlib import Path

from caffekit.config import absolute, load_settings
from caffekit.steps.config import show


def test_show_prints_what_loads_back(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nname: x\nsplit: {val: 0.2}\n")
    copy = tmp_path / "copy.yaml"
    copy.write_text(str(show(path, ("seed=3",))))
    assert load_settings(copy) == absolute(load_settings(path, ("seed=3",)))


def test_origins(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nsplit:\n  val: 0.2\nclean: {skip: [blurry]}\n")
    report = show(path, ("solver.base_lr=1e-3",), origin=True)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in report.lines}
    assert lines["split.val"] == f"0.2 {path}:3"
    assert lines["clean.skip"] == f"['blurry'] {path}:4"
    assert lines["solver.base_lr"] == "0.001 --set solver.base_lr=…"
    assert lines["split.test"] == "0.0 default"
    assert lines["solver.epochs"] == "- default"
    assert report.summary["origins"]["split.val"] == f"{path}:3"
    assert report.summary["settings"]["split"]["val"] == 0.2
