"""The demo: its images are what planted.csv says, and both of its pipelines end with a good model."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from caffekit.formats.images import BadImage, decode

ROOT = Path(__file__).parent.parent


def make(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "make-demo-data", folder], check=True, capture_output=True
    )
    return folder


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(
        b"".join(f"{p.relative_to(folder)}".encode() + p.read_bytes() for p in files)
    ).hexdigest()


def test_the_images_are_the_same_every_time_and_dirty_as_written(tmp_path: Path) -> None:
    one, two = make(tmp_path / "a"), make(tmp_path / "b")
    assert digest(one) == digest(two)
    with open(one / "planted.csv", newline="") as file:
        planted = list(csv.DictReader(file))
    kinds = Counter(row["kind"] for row in planted)
    assert {
        "truncated",
        "wrong-format",
        "blank",
        "exact-copy",
        "near-copy",
        "mis-typed",
        "flipped-label",
    } <= set(kinds)
    for row in planted:
        data = (one / "raw" / row["path"]).read_bytes()
        if row["kind"] in ("truncated", "wrong-format"):
            with pytest.raises(BadImage, match=row["kind"]):
                decode(data)
        if row["kind"] == "exact-copy":
            assert data == (one / "raw" / row["detail"].split(" of ")[-1]).read_bytes()
    sizes = {path.name: sum(1 for _ in path.iterdir()) for path in (one / "raw").iterdir()}
    assert max(sizes[thin] for thin in "368") < min(sizes[c] for c in "0124579") / 2
    assert sum(1 for _ in (one / "bench").rglob("*.png")) == 360


def test_it_refuses_to_overwrite(tmp_path: Path) -> None:
    make(tmp_path)
    command = [sys.executable, ROOT / "scripts" / "make-demo-data", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "exists already" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["digits", "digits_exploding"])
def test_the_demo_ends_with_a_good_model(name: str, tmp_path: Path) -> None:
    if not (ROOT / ".venv" / "bin" / "caffekit").exists():
        pytest.skip("the demo runs in the environment that `make install` makes, and there is none")
    env = {key: value for key, value in os.environ.items() if key != "GLOG_minloglevel"}
    config = ROOT / "configs" / f"{name}.yaml"
    done = subprocess.run(
        [ROOT / "scripts" / "demo", tmp_path, config], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "runs" / name / "evaluation.json").read_text())["top1"] >= 0.97
    if name == "digits_exploding":
        assert "1. learning-rate" in done.stdout
        why = json.loads((tmp_path / "runs" / name / "attempts" / "2" / "why.json").read_text())
        assert why["changed"]["base_lr"] == [1.0, 0.1]
