"""split: shares, groups, rare classes, folds, and what cannot be split."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from caffekit.config.schema import SplitSettings
from caffekit.errors import DataError, UsageError
from caffekit.formats.image_list import read_source
from caffekit.options import Options
from caffekit.steps.assign import assign_sides
from caffekit.steps.split import split

from .pictures import lines, make_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "raw", {"cat": 40, "dog": 20, "eel": 3})


def test_each_class_has_its_share(folder: Path, tmp_path: Path) -> None:
    report = split(folder, tmp_path / "out", SplitSettings(val=0.1, test=0.2))
    sides = {name: lines(tmp_path / "out" / f"{name}.txt") for name in ("train", "val", "test")}
    assert sorted(sum(sides.values(), [])) == sorted(
        f"{item.path} {item.label}" for item in read_source(folder).items
    )
    assert report.summary["classes"] == {"cat": [28, 4, 8], "dog": [14, 2, 4], "eel": [2, 0, 1]}
    assert report.warnings == ["val has no image of 1 classes: eel"]
    again = read_source(tmp_path / "out" / "val.txt")
    assert again.classes == ["cat", "dog", "eel"]
    assert again.file(again.items[0]).is_file()


def test_the_seed_decides(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        split(folder, tmp_path / name, options=Options(seed=seed))
    text = [(tmp_path / name / "val.txt").read_text() for name in "abc"]
    assert text[0] == text[1] != text[2]


@pytest.mark.parametrize("rule", [r"regex:^(.+\d\d)\d", "csv", "duplicates"])
def test_no_group_on_two_sides(folder: Path, tmp_path: Path, rule: str) -> None:
    """Groups of ten neighbours: images 000 … 009, 010 … 019."""
    items = read_source(folder).items
    source, table = tmp_path / "clean.txt", tmp_path / "groups.csv"
    source.write_text("".join(f"raw/{item.path} {item.label}\n" for item in items))
    table.write_text("path,group\n" + "".join(f"raw/{item.path},{item.path[:-5]}\n" for item in items))
    rule = f"csv:{table}" if rule == "csv" else rule
    split(source, tmp_path / "out", SplitSettings(val=0.25, group_by=rule))
    sides = [
        {line.split()[0][:-5] for line in lines(tmp_path / "out" / name)} for name in ("train.txt", "val.txt")
    ]
    assert sides[0] and sides[1]
    assert not sides[0] & sides[1]


def test_groups_too_large_for_validation_are_said(folder: Path, tmp_path: Path) -> None:
    report = split(folder, tmp_path / "out", SplitSettings(group_by="folder"))
    assert report.summary["val"] == 0
    assert report.warnings == ["val is empty: no group is small enough for it"]


def test_folds_cover_everything_once(folder: Path, tmp_path: Path) -> None:
    split(folder, tmp_path / "out", SplitSettings(folds=3))
    held = [lines(tmp_path / "out" / f"fold_{k}" / "val.txt") for k in (1, 2, 3)]
    assert sorted(sum(held, [])) == sorted(f"{i.path} {i.label}" for i in read_source(folder).items)
    train = lines(tmp_path / "out" / "fold_1" / "train.txt")
    assert sorted(train) == sorted(held[1] + held[2])
    item = read_source(tmp_path / "out" / "fold_1" / "val.txt").items[0]
    assert read_source(tmp_path / "out" / "fold_1" / "val.txt").file(item).is_file()


def test_large_sets_are_fast_and_exact() -> None:
    random = np.random.default_rng(0)
    labels, groups = random.integers(0, 500, 200_000), random.integers(0, 80_000, 200_000)
    start = time.monotonic()
    sides = assign_sides(labels, groups, [0.9, 0.1], 0)
    assert time.monotonic() - start < 30
    pairs = np.unique(np.stack([groups, sides]), axis=1)
    assert len(pairs[0]) == len(np.unique(groups))
    share = np.bincount(labels[sides == 1], minlength=500) / np.bincount(labels)
    assert 0.08 < share.min() and share.max() < 0.12


def test_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    report = split(folder, tmp_path / "out", options=Options(dry_run=True))
    assert not (tmp_path / "out").exists()
    assert "would write" in str(report)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (SplitSettings(val=0.6, test=0.5), UsageError, "leave nothing to train on"),
        (SplitSettings(group_by="person"), UsageError, "unknown rule"),
        (SplitSettings(group_by="regex:("), UsageError, "regex:"),
        (SplitSettings(group_by="duplicates"), DataError, "groups.csv"),
    ],
)
def test_what_cannot_be(
    folder: Path, tmp_path: Path, settings: SplitSettings, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        split(folder, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_an_existing_output_stays(folder: Path, tmp_path: Path) -> None:
    split(folder, tmp_path / "out")
    with pytest.raises(UsageError, match="exists already"):
        split(folder, tmp_path / "out")
    split(folder, tmp_path / "out", options=Options(overwrite=True))
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["total"] == 63
