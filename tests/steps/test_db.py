"""db check and db show: everything that can be wrong with a database, each found alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.errors import DataError, FormatError, UsageError
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.datum import datum_array, encoded_datum, image_datum, parse_datum
from caffekit.formats.image_list import write_labels
from caffekit.formats.images import encode
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.options import Options
from caffekit.steps.db import _displayable, check, show

from .databases import make_db

PHOTO = cv2.resize(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8), (99, 99))
GOOD = image_datum(np.zeros((8, 8, 3), np.uint8), 1)


def database(path: Path, *values: bytes) -> Path:
    write_lmdb(path, [(b"%08d_x" % i, value) for i, value in enumerate(values)])
    return path


def rules(path: Path, num_classes: int | None = None) -> list[str]:
    report = check(path, num_classes)
    assert report.exit_code == (3 if report.summary["findings"] else 0)
    assert report.status == "ok"
    return [found["rule"] for found in report.summary["findings"]]


def test_a_good_database(tmp_path: Path) -> None:
    report = check(make_db(tmp_path / "db", 40))
    assert report.exit_code == 0 and report.summary["total"] == 40
    assert report.summary["shapes"] == {"1x32x32": 40} and report.summary["labels"]["9"] == 4


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (b"\xff\xff", "unreadable"),
        (Datum(channels=3, height=8, width=8, data=b"short").SerializeToString(), "unreadable"),
        (encoded_datum(b"junk", 0).SerializeToString(), "unreadable"),
        (encoded_datum(encode(PHOTO, "jpg")[:-400], 0).SerializeToString(), "unreadable"),
        (image_datum(np.zeros((8, 9, 3), np.uint8), 1).SerializeToString(), "shape"),
        (image_datum(np.zeros((8, 8, 3), np.uint8), -1).SerializeToString(), "label"),
        (image_datum(np.zeros((8, 8, 3), np.uint8), 3).SerializeToString(), "label"),
        (Datum(channels=3, height=8, width=8, float_data=[np.nan] * 192).SerializeToString(), "non-finite"),
    ],
)
def test_each_fault_is_found_and_its_record_named(tmp_path: Path, value: bytes, rule: str) -> None:
    good = GOOD.SerializeToString()
    path = database(tmp_path / "db", good, value, good)
    report = check(path, 3)
    found = report.summary["findings"][0]
    assert rules(path, 3) == [rule] and report.summary["total"] == 3
    assert found["count"] == 1 and found["records"][0].startswith("00000001_x")


def test_the_number_of_classes_stands_beside_the_database(tmp_path: Path) -> None:
    path = database(tmp_path / "db", GOOD.SerializeToString())
    assert rules(path) == []
    write_labels(tmp_path / "db.labels.txt", ["only"])
    assert rules(path) == ["label"]
    assert rules(path, 2) == []


def test_a_sorted_database_is_not_shuffled(tmp_path: Path) -> None:
    blank = np.zeros((2, 2, 1), np.uint8)
    values = [image_datum(blank, label).SerializeToString() for label in range(4) for _ in range(20)]
    assert rules(database(tmp_path / "sorted", *values)) == ["order"]
    order = np.random.default_rng(0).permutation(len(values))
    assert rules(database(tmp_path / "shuffled", *(values[i] for i in order))) == []


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no LMDB there"):
        check(tmp_path / "db")
    with pytest.raises(DataError, match="is empty"):
        check(database(tmp_path / "empty"))


def test_a_32_bit_database_is_refused_in_a_sentence(shared: Path) -> None:
    with pytest.raises(FormatError, match="written on a 32-bit machine"):
        check(shared / "data/caffe_projects/dev/lmdb_written_on_32bit/validation_lmdb")


def test_show_lists_and_draws(tmp_path: Path) -> None:
    path = make_db(tmp_path / "db", 10)
    report = show(path, tmp_path / "grid.png", 5)
    assert [row["label"] for row in report.summary["records"]] == [0, 1, 2, 3, 4]
    assert report.lines[0] == "00000000_x.png  label 0  1x32x32" and "5 of 10 records" in report.lines
    grid = cv2.imread(str(tmp_path / "grid.png"))
    assert grid.shape == (2 * 112, 3 * 96, 3)
    cell = grid[:96, :96]
    assert cell.std() > 40, "a picture is drawn"
    assert grid[96:112, :96].max() == 255, "its label stands under it"
    with pytest.raises(UsageError, match="exists already"):
        show(path, tmp_path / "grid.png")


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_show_draws_whatever_the_channels(tmp_path: Path, channels: int) -> None:
    values = np.linspace(-1, 1, channels * 16).tolist() if channels == 5 else []
    datum = image_datum(np.zeros((4, 4, channels), np.uint8), 0)
    if values:
        datum = Datum(channels=5, height=4, width=4, float_data=values)
    show(database(tmp_path / "db", datum.SerializeToString()), tmp_path / "grid.png", options=Options())
    assert (tmp_path / "grid.png").is_file()


@pytest.mark.parametrize(("channels", "images"), [(2, 2), (6, 2), (9, 3)])
def test_pairs_and_triplets_are_drawn_side_by_side(tmp_path: Path, channels: int, images: int) -> None:
    stack = np.zeros((8, 8, channels), np.uint8)
    stack[:, :, -1] = 200
    write_lmdb(tmp_path / "db", [(b"0", image_datum(stack, 1).SerializeToString())])
    drawn = _displayable(datum_array(parse_datum(image_datum(stack, 1).SerializeToString())))
    assert drawn.shape == (8, 8 * images, 3)
    assert not drawn[:, :8].any() and (drawn[:, -8:, 2] == 200).all()
    assert show(tmp_path / "db", tmp_path / "grid.png").exit_code == 0
