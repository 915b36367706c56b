"""run: the whole chain on real digits, and that only what changed runs again."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from caffekit.config import load_settings
from caffekit.errors import DataError, UsageError
from caffekit.formats.image_list import read_source
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.run import plan, run

PIPELINE = """
version: 1
name: three
data: {root: raw, benchmark: [bench]}
split: {val: 0.2, group_by: duplicates}
balance: {method: jitter, target: max}
augment: {copies: 1, rotate: 10}
gen_lmdb: {resize: 32x32, gray: true}
net: {template: lenet}
solver: {base_lr: 0.001, lr_policy: fixed, max_iter: 20, batch_size: 16, display: 5, snapshot: 10}
evaluate: {source: bench, top: [1, 2]}
"""
ALL = [
    "clean",
    "split",
    "balance",
    "augment",
    "gen-lmdb train",
    "gen-lmdb val",
    "train",
    "diagnose-nan",
    "evaluate",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline on 90 digits, run once."""
    folder = tmp_path_factory.mktemp("chain")
    digits = load_digits()
    for label in range(3):
        for n, i in enumerate(np.flatnonzero(digits.target == label)[:40]):
            side = "bench" if n < 10 else "raw"
            image = np.clip(cv2.resize(digits.images[i] * 16, (32, 32)), 0, 255).astype(np.uint8)
            (folder / side / "abc"[label]).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / side / "abc"[label] / f"{i}.png"), image)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    report = call(folder)
    assert list(report.summary["stages"]) == ALL
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the pipeline that has run: times and links as they were."""
    copy = tmp_path / "chain"
    shutil.copytree(made, copy)
    return copy


def call(folder: Path, *overrides: str, **how: object) -> Report:
    options = Options(quiet=True, dry_run=bool(how.pop("dry_run", False)))
    return run(load_settings(folder / "pipeline.yaml", overrides), options, **how)  # type: ignore[arg-type]


def ran(report: Report) -> list[str]:
    return [name for name, stage in report.summary["stages"].items() if stage["status"] == "done"]


def test_it_ends_with_a_model_that_was_evaluated(made: Path) -> None:
    home = made / "runs" / "three"
    assert (home / "best.caffemodel").is_file() and (home / "report.html").is_file()
    verdict = json.loads((home / "diagnosis.json").read_text())["verdict"]
    assert verdict in ("healthy", "plateau", "overfitting")
    assert json.loads((home / "evaluation.json").read_text())["top1"] > 0.5


def test_a_second_run_does_nothing(made: Path) -> None:
    assert ran(call(made)) == []


def test_a_setting_reruns_its_stage_and_what_depends_on_it(folder: Path) -> None:
    assert ran(call(folder, "evaluate.top=[1]")) == ["evaluate"]
    assert ran(call(folder, "evaluate.top=[1]", "solver.max_iter=25")) == [
        "train",
        "diagnose-nan",
        "evaluate",
    ]


def test_each_list_takes_its_own_pairs_and_a_changed_file_of_them_counts(folder: Path) -> None:
    home = folder / "build" / "three"
    sides = {side: read_source(home / "split" / f"{side}.txt").items for side in ("train", "val")}
    lines = [f"{a.path} {b.path}\n" for items in sides.values() for a, b in pairwise(items)]
    pairs = folder / "pairs.txt"
    pairs.write_text("".join(lines) + f"{sides['train'][0].path} {sides['val'][0].path}\n")
    asked = (f"gen_lmdb.pairs={pairs}", "augment.copies=0", "balance.method=null")
    for side, items in sides.items():
        report = call(folder, *asked, only=f"gen-lmdb {side}")
        assert report.summary["stages"][f"gen-lmdb {side}"]["written"] == len(items) - 1
        assert f"pairs: {len(lines) + 1 - (len(items) - 1)} name images of other lists" in str(report)
        states = str(call(folder, *asked, dry_run=True))
        assert f"gen-lmdb {side}: up to date" in states
    pairs.write_text("".join(lines[:-1]))
    states = str(call(folder, *asked, dry_run=True))
    assert all(f"gen-lmdb {side}: would run (something it depends" in states for side in sides)


def test_an_augment_section_that_nothing_uses_is_said(folder: Path) -> None:
    assert not call(folder, dry_run=True).warnings
    unused = call(folder, "augment.copies=0", dry_run=True)
    assert any("augment: nothing uses it" in warning for warning in unused.warnings)
    assert not call(folder, "augment.copies=0", "train.augment=true", dry_run=True).warnings


def test_a_new_image_reruns_the_chain_and_a_lost_one_names_itself(folder: Path) -> None:
    image = next((folder / "raw" / "a").glob("*.png"))
    image.rename(image.with_name("renamed.png"))
    assert ran(call(folder, dry_run=True)) == []
    assert "clean: would run" in str(call(folder, dry_run=True))
    assert ran(call(folder)) == ALL


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    shutil.rmtree(folder / "runs")
    (folder / "build" / "three" / ".stages" / "train").unlink()
    before = sorted(folder.rglob("*"))
    report = call(folder, dry_run=True)
    assert sorted(folder.rglob("*")) == before
    assert "clean: up to date" in report.lines
    assert report.lines[ALL.index("train")] == "train: would run"


def test_a_dry_run_sees_what_is_missing(folder: Path) -> None:
    report = call(folder, "data.root=" + str(folder / "nowhere"), dry_run=True)
    assert report.lines[0] == f"clean: would fail: {folder}/nowhere does not exist"


def test_only_and_from(folder: Path) -> None:
    assert ran(call(folder, only="evaluate")) == ["evaluate"]
    assert ran(call(folder, start="diagnose-nan")) == ["diagnose-nan", "evaluate"]
    with pytest.raises(UsageError, match="no stage 'trian'"):
        call(folder, only="trian")


def test_the_stage_that_fails_is_named(folder: Path) -> None:
    report = call(folder, "data.root=" + str(folder / "nowhere"))
    assert report.exit_code == 4
    assert report.error and report.error.message == f"clean: {folder}/nowhere does not exist"


def test_no_data_is_said_before_anything_runs() -> None:
    with pytest.raises(DataError, match=r"data\.root is not set"):
        plan(load_settings())
