"""clean --apply: labels and verdicts of a person, on top of what clean found."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from caffekit.cli import main
from caffekit.config.schema import CleanSettings
from caffekit.errors import DataError, FormatError
from caffekit.formats.image_list import read_source
from caffekit.options import Options
from caffekit.steps.clean import clean
from caffekit.steps.clean_review import apply_review

from .pictures import lines, make_folder


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four cats and four dogs; one of them stands twice, one is broken, one too small."""
    folder = make_folder(tmp_path_factory.mktemp("review") / "raw", {"cat": 4, "dog": 4})
    (folder / "cat" / "copy.png").write_bytes((folder / "cat" / "000.png").read_bytes())
    (folder / "dog" / "broken.png").write_bytes(b"text")
    cv2.imwrite(str(folder / "dog" / "tiny.png"), np.eye(8, dtype=np.uint8) * 255)
    skip = ["suspect-label", "low-information", "near-duplicate"]
    report = clean(folder, folder.parent / "clean", CleanSettings(skip=skip))
    assert report.summary["rejected"] == {"wrong-format": 1, "too-small": 1, "exact-duplicate": 1}
    return folder.parent / "clean"


def review(result: Path, *rows: str, header: str = "path,label,verdict") -> Path:
    path = result / "mine.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def apply(path: Path, out: Path, **how: object) -> dict[str, object]:
    apply_review(path, out, CleanSettings(**how), Options())
    return json.loads((out / "summary.json").read_text())


def test_labels_and_verdicts_are_applied(result: Path, tmp_path: Path) -> None:
    rows = [
        "cat/001.png,dog,",
        "dog/tiny.png,,keep",
        "dog/003.png,1,reject",
        "cat/002.png,,",
        "cat/003.png,0,keep",
    ]
    summary = apply(review(result, *rows), tmp_path / "out")
    kept = read_source(tmp_path / "out" / "clean.txt")
    assert dict(kept.items)["cat/001.png"] == 1 and dict(kept.items)["dog/tiny.png"] == 1
    assert dict(kept.items)["cat/002.png"] == 0 and "dog/003.png" not in dict(kept.items)
    assert all(kept.file(item).is_file() for item in kept.items) and kept.classes == ["cat", "dog"]
    assert summary["rejected"] == {"wrong-format": 1, "exact-duplicate": 1, "reviewed": 1}
    assert summary["total"] == 11 == summary["kept"] + 3 and summary["kept"] == len(kept.items)
    assert (summary["relabelled"], summary["restored"], summary["rejected_by_hand"]) == (1, 1, 1)
    with open(tmp_path / "out" / "rejected.csv", newline="") as file:
        assert {row["path"]: row["label"] for row in csv.DictReader(file)}["dog/003.png"] == "1"
    assert (tmp_path / "out" / "groups.csv").read_text() == (result / "groups.csv").read_text()


def test_a_corrected_label_alone_keeps_an_image(result: Path, tmp_path: Path) -> None:
    apply(review(result, "dog/tiny.png,cat,"), tmp_path / "out")
    assert "dog/tiny.png 0" in lines(tmp_path / "out" / "clean.txt")


def test_the_review_that_clean_offers_changes_nothing(result: Path, tmp_path: Path) -> None:
    assert lines(result / "review.csv")[0] == "path,label,verdict,reason,score,detail,likely"
    assert any(line.startswith("dog/tiny.png,dog,,too-small,") for line in lines(result / "review.csv"))
    for name in ("review.csv", "rejected.csv"):
        apply(result / name, tmp_path / name)
        for file in ("clean.txt", "rejected.csv", "labels.txt"):
            assert (tmp_path / name / file).read_bytes() == (result / file).read_bytes()


def test_what_was_applied_can_be_reviewed_again(result: Path, tmp_path: Path) -> None:
    apply(review(result, "dog/003.png,,reject"), tmp_path / "once")
    summary = apply(review(tmp_path / "once", "dog/003.png,,keep"), tmp_path / "twice")
    assert summary["kept"] == 8 and summary["restored"] == 1


def test_kept_images_are_copied(result: Path, tmp_path: Path) -> None:
    apply(review(result, "dog/tiny.png,,keep"), tmp_path / "out", mode="copy")
    kept = read_source(tmp_path / "out" / "clean.txt")
    assert kept.root == tmp_path / "out" / "images" and all(kept.file(item).is_file() for item in kept.items)


def test_all_mistakes_are_named_at_once(result: Path, tmp_path: Path) -> None:
    rows = [
        "cow/1.png,,keep",
        "cat/001.png,cow,",
        "cat/001.png,2,",
        "cat/002.png,,maybe",
        "dog/broken.png,,keep",
    ]
    with pytest.raises(FormatError) as error:
        apply(review(result, *rows), tmp_path / "out")
    said = [line.split("mine.csv:")[1] for line in error.value.message.splitlines()]
    assert said == [
        "2: cow/1.png is not in the result of clean",
        "3: cow is not a class",
        "4: 2 is not a class",
        "5: verdict 'maybe', expected keep, reject or nothing",
        "6: dog/broken.png is wrong-format: it cannot be kept",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na,1\n", "no column 'path'"),
        ("path\na\n", "no column label or verdict"),
        ('path,label\n"a', "CSV"),
    ],
)
def test_a_table_of_another_kind_is_refused(result: Path, tmp_path: Path, text: str, message: str) -> None:
    (result / "other.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        apply(result / "other.csv", tmp_path / "out")


def test_a_review_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which result of clean"):
        apply(review(tmp_path), tmp_path / "out")


def test_nothing_left_is_exit_4(result: Path, tmp_path: Path) -> None:
    rows = [f"{line.rpartition(' ')[0]},,reject" for line in lines(result / "clean.txt")]
    report = apply_review(review(result, *rows), tmp_path / "out", CleanSettings(), Options())
    assert report.exit_code == 4 and (tmp_path / "out" / "rejected.csv").is_file()
    assert apply(review(tmp_path / "out", "cat/001.png,,keep"), tmp_path / "again")["kept"] == 1


def test_the_command_line_takes_a_source_or_a_review(result: Path, tmp_path: Path) -> None:
    path = str(review(result, "dog/tiny.png,,keep"))
    run = CliRunner().invoke(main, ["clean", "--apply", path, "-o", str(tmp_path / "out")])
    assert run.exit_code == 0 and "1 images taken back" in run.output
    dry = CliRunner().invoke(main, ["clean", "--apply", path, "-o", str(tmp_path / "dry"), "--dry-run"])
    assert dry.exit_code == 0 and "would have kept 9 of 11" in dry.output and not (tmp_path / "dry").exists()
    for words in ([], [str(result), "--apply", path]):
        assert CliRunner().invoke(main, ["clean", *words, "-o", str(tmp_path / "no")]).exit_code == 2
