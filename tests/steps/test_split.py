"""split: shares, groups, rare classes, folds, and what cannot be split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caffekit.config.schema import SplitSettings
from caffekit.errors import DataError, UsageError
from caffekit.formats.image_list import read_source
from caffekit.options import Options
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
    assert report.warnings[0] == "val is empty: no group is small enough for it"
    assert (
        "2 classes miss their share by more than one image, because groups stay whole" in report.warnings[1]
    )
    assert report.summary["furthest"] == {"class": "cat", "side": "train", "images": 40, "share": 36.0}
    assert report.summary["missing"] == {"val": ["cat", "dog", "eel"]}


def test_folds_cover_everything_once(folder: Path, tmp_path: Path) -> None:
    split(folder, tmp_path / "out", SplitSettings(folds=3))
    held = [lines(tmp_path / "out" / f"fold_{k}" / "val.txt") for k in (1, 2, 3)]
    assert sorted(sum(held, [])) == sorted(f"{i.path} {i.label}" for i in read_source(folder).items)
    train = lines(tmp_path / "out" / "fold_1" / "train.txt")
    assert sorted(train) == sorted(held[1] + held[2])
    item = read_source(tmp_path / "out" / "fold_1" / "val.txt").items[0]
    assert read_source(tmp_path / "out" / "fold_1" / "val.txt").file(item).is_file()


def test_the_test_list_is_set_aside_before_the_folds(folder: Path, tmp_path: Path) -> None:
    split(folder, tmp_path / "out", SplitSettings(folds=2, test=0.2))
    held = [lines(tmp_path / "out" / name) for name in ("fold_1/val.txt", "fold_2/val.txt", "test.txt")]
    assert sorted(sum(held, [])) == sorted(f"{i.path} {i.label}" for i in read_source(folder).items)
    assert sorted(lines(tmp_path / "out/fold_1/train.txt")) == sorted(held[1])
    assert 12 <= len(held[2]) <= 14


def test_a_class_that_folds_cannot_share_is_said(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"cat": 6, "eel": 1})
    report = split(folder, tmp_path / "out", SplitSettings(folds=2))
    assert report.warnings[-1] == "1 classes are in one fold only, whose training list lacks them: eel"
    assert any(warning.endswith("has no image of 1 classes: eel") for warning in report.warnings)


def test_a_csv_with_more_columns_stays_one(tmp_path: Path) -> None:
    """Class names become ids in train.txt; the column of persons keeps them apart and stands in train.csv."""
    rows = [f"{k:02d}.jpg,{'cat' if k % 2 else 'dog'},p{k // 4}" for k in range(40)]
    (tmp_path / "a.csv").write_text("path,label,person\n" + "\n".join(rows) + "\n")
    split(tmp_path / "a.csv", tmp_path / "out", SplitSettings(val=0.2, group_by="column:person"))
    written = {name: lines(tmp_path / "out" / f"{name}.csv") for name in ("train", "val")}
    assert written["train"][0] == written["val"][0] == "path,label,person"
    assert sorted(written["train"][1:] + written["val"][1:]) == rows
    persons = [{line.rsplit(",", 1)[1] for line in part[1:]} for part in written.values()]
    assert len(persons[1]) == 2 and not persons[0] & persons[1]
    assert lines(tmp_path / "out" / "labels.txt") == ["cat", "dog"]
    for name in ("train", "val"):
        listed, table = (read_source(tmp_path / "out" / f"{name}.{kind}") for kind in ("txt", "csv"))
        assert listed.items == table.items and listed.root == table.root == tmp_path


def test_every_label_column_of_a_csv_is_shared_out(tmp_path: Path) -> None:
    """Two attributes and an age: the rare attribute, a tenth of all, is on both sides in its share."""
    rows = [f"{k}.jpg,{int(k % 10 == 0)},{int(k % 2)},{k / 7:.3f}" for k in range(400)]
    (tmp_path / "a.csv").write_text("path,label_rare,label_2,label_age\n" + "\n".join(rows) + "\n")
    report = split(tmp_path / "a.csv", tmp_path / "out", SplitSettings(val=0.2))
    assert not (tmp_path / "out" / "val.txt").exists()
    classes = report.summary["classes"]
    assert abs(classes["label_rare=1"][1] - 8) <= 1 and abs(classes["label_2=1"][1] - 40) <= 1
    ages = [row[1] for name, row in classes.items() if name.startswith("label_age=")]
    assert len(ages) == 10 and all(abs(n - 8) <= 1 for n in ages)


def test_duplicates_that_clean_found_are_pointed_out(folder: Path, tmp_path: Path) -> None:
    items = read_source(folder).items
    source = tmp_path / "clean.txt"
    source.write_text("".join(f"raw/{item.path} {item.label}\n" for item in items))
    (tmp_path / "groups.csv").write_text("path,group\n")
    assert not any("duplicates" in warning for warning in split(source, tmp_path / "a").warnings)
    split(source, tmp_path / "b", SplitSettings(group_by="duplicates"))  # there are none: nothing to do
    (tmp_path / "groups.csv").write_text("path,group\nraw/cat/000.png,1\nraw/cat/001.png,1\n")
    assert any("--group-by duplicates keeps them" in w for w in split(source, tmp_path / "c").warnings)


def test_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    report = split(folder, tmp_path / "out", options=Options(dry_run=True))
    assert not (tmp_path / "out").exists()
    assert "would write" in str(report)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (SplitSettings(val=0.6, test=0.5), UsageError, "leave nothing to train on"),
        (SplitSettings(val=0.7, test=0.3), UsageError, "leave nothing to train on"),
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
