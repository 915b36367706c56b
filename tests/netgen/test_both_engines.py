"""Every template trains in real Caffe and in the embedded engine, with the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import caffekit
from caffekit.netgen import TEMPLATES, NetOptions, generate
from tests.netgen.sizes import fitting
from tests.steps.databases import make_db

SCRIPT = Path(__file__).with_name("engines_script.py")
LOSSES = Path(caffekit.__file__).parent / "inside_caffe"
QUICK = ("cifar10_full", "fractalnet", "googlenet", "maxout", "resnet", "siamese", "sphereface", "triplet")
"""What every test run trains; the others are slow together."""


def write_net(folder: Path, name: str) -> None:
    """A narrow net of template `name` on a few random images, with drop-path where it can have it."""
    template = TEMPLATES[name]
    side = max(64, template.sides[1]) if name.startswith("mobilenet") else template.sides[1]
    data = fitting(name, height=side, width=side)
    for db, images in (("train", 8), ("test", 4)):
        make_db(folder / db, images, channels=data.channels, side=side, classes=5)
    data = replace(
        data, train=str(folder / "train"), test=str(folder / "test"), train_images=8, test_images=4,
        scale=1 / 64, mean_values=(120.0,) * data.channels,
    )  # fmt: skip
    made = generate(
        name, data, NetOptions(width=0.25, drop_path=0.3 if template.drops_paths else None),
        {"batch_size": 4, "random_seed": 3, "base_lr": 1e-4},
        net_path=str(folder / "train_val.prototxt"), snapshot_prefix=str(folder / "s"),
    )  # fmt: skip
    for kind in ("train_val", "deploy", "solver"):
        (folder / f"{kind}.prototxt").write_text(getattr(made, kind))


def run(command: list[str], folders: list[Path]) -> list[dict[str, Any]]:
    """What the script says of each net."""
    env = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(LOSSES))  # as `caffekit train` sets it
    done = subprocess.run(
        [*command, str(SCRIPT), *map(str, folders)], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def compare(bvlc: Path, tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write_net(tmp_path / name, name)
    folders = [tmp_path / name for name in names]
    real = run([str(bvlc)], folders)
    ours = run([sys.executable, "-m", "caffekit.pycaffe"], folders)
    assert len(real) == len(ours) == len(names)
    for name, one, other in zip(names, real, ours, strict=True):
        for key in ("deploy", "parameters", "moved"):
            assert one[key] == other[key], name
        still = set(one["parameters"]) - set(one["moved"])
        # statistics, and centers, move without a gradient
        assert all("bn" in one or one == "center_loss" for one in still), f"{name}: {still} learn nothing"
        assert one["losses"] == pytest.approx(other["losses"], rel=1e-3), name
        assert one["test"] == pytest.approx(other["test"], rel=1e-2), name


@pytest.mark.bvlc
def test_templates_train_alike(bvlc: Path, tmp_path: Path) -> None:
    compare(bvlc, tmp_path, list(QUICK))


@pytest.mark.bvlc
@pytest.mark.slow
def test_the_other_templates_train_alike(bvlc: Path, tmp_path: Path) -> None:
    compare(bvlc, tmp_path, [name for name in TEMPLATES if name not in QUICK])
