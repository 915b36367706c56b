"""mean: of an LMDB as compute_image_mean has it, and of files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.config.schema import GenLmdbSettings
from caffekit.config.values import Size
from caffekit.errors import DataError, UsageError
from caffekit.formats.binaryproto import read_mean
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.datum import encoded_datum, image_record
from caffekit.formats.images import encode
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.options import Options
from caffekit.steps.gen_lmdb import gen_lmdb
from caffekit.steps.mean import mean

from .databases import make_db
from .pictures import make_folder


def test_the_mean_of_a_database_is_the_one_gen_lmdb_wrote(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"a": 3, "b": 2})
    settings = GenLmdbSettings(resize=Size(9, 7))
    gen_lmdb(folder, tmp_path / "db", settings)
    report = mean(tmp_path / "db", tmp_path / "mean")
    mean(folder, tmp_path / "files", settings)
    written = (tmp_path / "db.mean.binaryproto").read_bytes()
    assert written == (tmp_path / "mean").read_bytes() == (tmp_path / "files").read_bytes()
    assert report.summary["shape"] == [3, 7, 9] and report.summary["images"] == 5


def test_float_records(tmp_path: Path) -> None:
    values = [Datum(channels=1, height=1, width=2, float_data=each) for each in ([0.5, 2], [1.5, -4])]
    write_lmdb(tmp_path / "db", [(b"%d" % i, v.SerializeToString()) for i, v in enumerate(values)])
    report = mean(tmp_path / "db", tmp_path / "mean")
    assert read_mean(tmp_path / "mean").tolist() == [[[1.0, -1.0]]]
    assert report.summary["std"] == pytest.approx([np.std([0.5, 2, 1.5, -4])])


def test_sizes_must_be_equal(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"a": 2})
    cv2.imwrite(str(folder / "a/001.png"), np.zeros((3, 5, 3), np.uint8))
    with pytest.raises(DataError, match=r"a/001.png is 5x3, .*before it are not") as caught:
        mean(folder, tmp_path / "mean")
    assert "--resize" in caught.value.hint and not (tmp_path / "mean").exists()


@pytest.mark.parametrize("jobs", [1, 3])
def test_records_of_all_kinds_by_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    monkeypatch.setattr("caffekit.steps.mean.CHUNK", 3)
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), np.uint8)
    png = [encoded_datum(encode(image, "png"), 0).SerializeToString() for image in images[::2]]
    raw = [image_record(image, 0) for image in images[1::2]]
    write_lmdb(tmp_path / "db", [(b"%02d" % i, value) for i, value in enumerate(raw + png)])
    report = mean(tmp_path / "db", tmp_path / "mean", options=Options(workers=jobs))
    exact = images.astype(np.float64).mean(0).transpose(2, 0, 1)
    assert np.array_equal(read_mean(tmp_path / "mean"), exact.astype(np.float32))
    assert report.summary["images"] == 20
    assert report.summary["std"] == pytest.approx(images.std((0, 1, 2)), rel=1e-9)


def test_a_record_of_another_size_or_none_at_all_is_named(tmp_path: Path) -> None:
    record = image_record(np.zeros((2, 3, 3), np.uint8), 0)
    wide = image_record(np.zeros((2, 4, 3), np.uint8), 0)
    for bad, message in (
        (wide, "record b is 4x2, the images before"),
        (record[:-9], "record b: not a Caffe"),
    ):
        write_lmdb(tmp_path / message, [(b"a", record), (b"b", bad)])
        with pytest.raises(DataError, match=message):
            mean(tmp_path / message, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"a": 2})
    (folder / "a/001.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a/001.png: undecodable"):
        mean(folder, tmp_path / "mean")


def test_nothing_is_overwritten_and_dry_run_writes_nothing(tmp_path: Path) -> None:
    path = make_db(tmp_path / "db", 3)
    assert "would write" in str(mean(path, tmp_path / "mean", options=Options(dry_run=True)))
    assert not (tmp_path / "mean").exists()
    mean(path, tmp_path / "mean")
    with pytest.raises(UsageError, match="exists already"):
        mean(path, tmp_path / "mean")
