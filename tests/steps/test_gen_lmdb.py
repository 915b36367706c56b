"""gen-lmdb: the records of convert_imageset, mean and contract, and nothing left behind when it fails."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from caffekit.config.schema import GenLmdbSettings
from caffekit.config.values import Percent, Size
from caffekit.errors import DataError, EnvironmentProblem, UsageError
from caffekit.formats.binaryproto import read_mean
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.image_list import read_source, write_labels
from caffekit.formats.lmdb_store import LmdbReader, LmdbWriter
from caffekit.formats.preprocess import Preprocess
from caffekit.options import Options
from caffekit.steps.gen_lmdb import gen_lmdb

from .pictures import lines, make_folder

KEPT = {"resize": Size(20, 30), "shuffle": False}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "raw", {"cat": 6, "dog": 4, "eel": 3})


def make(source: Path, out: Path, options: Options = Options(), **settings: Any) -> Any:
    return gen_lmdb(source, out, GenLmdbSettings(**settings), options)


def records(path: Path) -> list[tuple[bytes, bytes]]:
    with LmdbReader(path) as reader:
        return list(reader.records())


def images(path: Path) -> list[np.ndarray]:
    return [datum_array(parse_datum(value)) for _, value in records(path)]


def test_records_keys_and_labels(folder: Path, tmp_path: Path) -> None:
    report = make(folder, tmp_path / "db", **KEPT)
    found = records(tmp_path / "db")
    assert [key for key, _ in found[:2]] == [b"00000000_cat/000.png", b"00000001_cat/001.png"]
    datum = parse_datum(found[-1][1])
    pixels = cv2.resize(cv2.imread(str(folder / "eel/002.png")), (20, 30)).transpose(2, 0, 1)
    assert (datum.label, datum.channels, datum.height, datum.width) == (2, 3, 30, 20)
    assert datum.data == pixels.tobytes()
    assert report.summary["written"] == 13 and report.summary["labels"] == {"0": 6, "1": 4, "2": 3}
    assert lines(tmp_path / "db.labels.txt") == ["cat", "dog", "eel"]
    assert json.loads((tmp_path / "db.summary.json").read_text()) == report.summary


def test_mean_deviation_and_contract(folder: Path, tmp_path: Path) -> None:
    report = make(folder, tmp_path / "db", **KEPT)
    pixels = np.stack(images(tmp_path / "db")).astype(np.float64)
    mean = read_mean(tmp_path / "db.mean.binaryproto")
    assert np.array_equal(mean, pixels.mean(0).astype(np.float32))
    contract = Preprocess.read(tmp_path / "db.preprocess.yaml")
    assert np.allclose(contract.mean_values, pixels.mean((0, 2, 3)), rtol=1e-12)
    assert np.allclose(contract.std, pixels.std((0, 2, 3)), rtol=1e-9)
    assert contract.scale == pytest.approx(3 / sum(contract.std))
    assert (contract.width, contract.height, contract.mean_file) == (20, 30, "db.mean.binaryproto")
    assert report.summary["mean"] == contract.mean_values and report.summary["std"] == contract.std


def test_the_contract_reads_a_file_as_its_record(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "db", resize=Size(24, 18), fit="pad", gray=True, shuffle=False)
    contract = Preprocess.read(tmp_path / "db.preprocess.yaml")
    again = contract.read_image((folder / "cat/000.png").read_bytes())
    assert np.array_equal(again.transpose(2, 0, 1), images(tmp_path / "db")[0])


def test_validation_follows_the_contract_and_has_no_mean(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "train", resize=Size(20, 20), gray=True)
    report = make(folder, tmp_path / "val", preprocess=tmp_path / "train.preprocess.yaml", gray=True)
    assert images(tmp_path / "val")[0].shape == (1, 20, 20)
    assert report.summary["mean"] == Preprocess.read(tmp_path / "train.preprocess.yaml").mean_values
    assert not (tmp_path / "val.mean.binaryproto").exists()
    assert not (tmp_path / "val.preprocess.yaml").exists()
    with pytest.raises(UsageError, match="width 8 differs from 20"):
        make(
            folder,
            tmp_path / "x",
            preprocess=tmp_path / "train.preprocess.yaml",
            resize=Size(8, 20),
            gray=True,
        )


def test_the_seed_decides_the_order_and_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    for name, seed, workers in (("a", 0, 1), ("b", 0, 4), ("c", 1, 1)):
        make(folder, tmp_path / name, Options(seed=seed, workers=workers), resize=Size(8, 8))
    assert records(tmp_path / "a") == records(tmp_path / "b") != records(tmp_path / "c")
    names = ("a.mean.binaryproto", "b.mean.binaryproto", "c.mean.binaryproto")
    assert len({(tmp_path / name).read_bytes() for name in names}) == 1
    labels = [parse_datum(value).label for _, value in records(tmp_path / "a")]
    assert labels != sorted(labels)


@pytest.mark.parametrize(("kind", "lossless"), [("png", True), ("jpg", False)])
def test_encoded_records(folder: Path, tmp_path: Path, kind: str, lossless: bool) -> None:
    make(folder, tmp_path / "raw_db", resize=Size(20, 20))
    make(folder, tmp_path / "db", resize=Size(20, 20), encode=kind)
    assert all(parse_datum(value).encoded for _, value in records(tmp_path / "db"))
    raw, encoded = images(tmp_path / "raw_db"), images(tmp_path / "db")
    assert all(np.array_equal(a, b) for a, b in zip(raw, encoded, strict=True)) == lossless
    # The mean is that of the pixels which Caffe will decode.
    mean = np.stack(encoded).mean(0, dtype=np.float64).astype(np.float32)
    assert np.array_equal(read_mean(tmp_path / "db.mean.binaryproto"), mean)


def test_a_file_s_own_bytes_are_kept_where_caffe_sees_the_same_image(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"a": 1})
    gray = np.arange(1600, dtype=np.uint16).reshape(40, 40).astype(np.uint8)
    cv2.imwrite(str(folder / "a/gray.png"), gray)
    make(folder, tmp_path / "db", encode="png", shuffle=False)
    colour, was_gray = (parse_datum(value) for _, value in records(tmp_path / "db"))
    assert colour.data == (folder / "a/000.png").read_bytes()
    assert was_gray.data != (folder / "a/gray.png").read_bytes()
    assert datum_array(was_gray).shape == (3, 40, 40)


def test_unreadable_files_are_all_named_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    png = (folder / "cat/000.png").read_bytes()
    (folder / "cat/000.png").write_bytes(png[:-20])
    (folder / "dog/000.png").write_bytes(b"<html>")
    with pytest.raises(DataError) as caught:
        make(folder, tmp_path / "db", **KEPT)
    first, *named = caught.value.message.splitlines()
    assert first == "2 of 13 images cannot be read (0 allowed)"
    assert [line.split(": ")[:2] for line in named] == [
        [f"{folder}/cat/000.png", "truncated"],
        [f"{folder}/dog/000.png", "wrong-format"],
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("allowed", [1, Percent(10)])
def test_allowed_rejects_are_warned_about_and_counted(folder: Path, tmp_path: Path, allowed: Any) -> None:
    (folder / "cat/001.png").write_bytes(b"")
    report = make(folder, tmp_path / "db", max_rejected=allowed, **KEPT)
    assert report.summary["written"] == 12
    assert [(f["path"], f["reason"]) for f in report.summary["failed"]] == [("cat/001.png", "undecodable")]
    assert report.warnings == [f"left out {folder}/cat/001.png: undecodable: empty file"]
    # As in convert_imageset, the number of a file that failed is not given to another.
    assert [key[:8] for key, _ in records(tmp_path / "db")[:2]] == [b"00000000", b"00000002"]


def test_a_repeated_unreadable_file_is_named_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("raw/cat/000.png 0\n" * 3)
    (tmp_path / "summary.json").write_text('{"repeats": true}')
    (folder / "cat/000.png").write_bytes(b"")
    with pytest.raises(DataError, match="3 of 3 images") as caught:
        make(tmp_path / "a.txt", tmp_path / "db")
    assert len(caught.value.message.splitlines()) == 2


def test_a_wrong_root_has_its_own_hint(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat/000.png 0\n")
    with pytest.raises(DataError, match="1 of 1 images cannot be read") as caught:
        make(tmp_path / "a.txt", tmp_path / "db")
    assert "--root" in caught.value.hint


def test_sizes_must_be_equal(folder: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(folder / "dog/000.png"), np.zeros((50, 60, 3), np.uint8))
    with pytest.raises(DataError, match=r"cat/000.png is 40x40, dog/000.png is 60x50") as caught:
        make(folder, tmp_path / "db", shuffle=False)
    assert "--resize" in caught.value.hint
    report = make(folder, tmp_path / "db", resize_short=20, shuffle=False)
    assert {image.shape for image in images(tmp_path / "db")} == {(3, 20, 20), (3, 20, 24)}
    assert "crop_size" in report.warnings[0] and not (tmp_path / "db.mean.binaryproto").exists()
    assert len(report.summary["mean"]) == 3


def test_classes_without_images_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("raw/cat/000.png 0\nraw/eel/000.png 2\n")
    write_labels(tmp_path / "labels.txt", ["cat", "dog", "eel"])
    assert make(tmp_path / "a.txt", tmp_path / "db").warnings == ["no image of 1 classes: dog"]


def test_an_existing_database_stays_unless_told(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "db", **KEPT)
    with pytest.raises(UsageError, match="exists already"):
        make(folder, tmp_path / "db", **KEPT)
    make(folder, tmp_path / "db", Options(overwrite=True), mean=False, **KEPT)
    assert not (tmp_path / "db.mean.binaryproto").exists(), "a stale mean beside new images"
    assert Preprocess.read(tmp_path / "db.preprocess.yaml").mean_values == []


def test_a_failed_overwrite_leaves_the_old_one(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "db", **KEPT)
    before = {path: path.read_bytes() for path in tmp_path.rglob("db*") if path.is_file()}
    (folder / "cat/000.png").write_bytes(b"")
    with pytest.raises(DataError):
        make(folder, tmp_path / "db", Options(overwrite=True), **KEPT)
    assert {path: path.read_bytes() for path in tmp_path.rglob("db*") if path.is_file()} == before
    assert len(records(tmp_path / "db")) == 13


def test_a_full_disk_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: LmdbWriter) -> None:
        raise EnvironmentProblem("no space")

    monkeypatch.setattr(LmdbWriter, "_flush", full)
    with pytest.raises(EnvironmentProblem):
        make(folder, tmp_path / "db", **KEPT)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_database_that_reads_back_otherwise_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = LmdbWriter.put
    monkeypatch.setattr(LmdbWriter, "put", lambda self, key, value: put(self, key, value + b"\x28\x07"))
    with pytest.raises(DataError, match="other records are read back"):
        make(folder, tmp_path / "db", **KEPT)
    assert not (tmp_path / "db").exists()


def test_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    report = make(folder, tmp_path / "db", Options(dry_run=True), **KEPT)
    assert "would write 13 records" in str(report)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_many_unreadable_files_are_counted_not_all_warned_about(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"a": 30})
    for number in range(25):
        (folder / f"a/{number:03}.png").write_bytes(b"")
    report = make(folder, tmp_path / "db", max_rejected=25, shuffle=False)
    assert len(report.summary["failed"]) == 25
    assert len(report.warnings) == 21 and report.warnings[-1].startswith("left out 5 more")


def test_a_database_is_no_source(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "db", **KEPT)
    with pytest.raises(DataError) as caught:
        make(tmp_path / "db", tmp_path / "again")
    assert "this is an LMDB" in caught.value.hint


@pytest.mark.bvlc
@pytest.mark.parametrize("words", [[], ["--gray"], ["--encode_type", "png"]], ids=["color", "gray", "png"])
def test_every_record_is_real_convert_imageset_s(
    bvlc: Path, folder: Path, tmp_path: Path, words: list[str]
) -> None:
    """Byte by byte, and the mean of compute_image_mean, which sums in float32."""
    tools = bvlc.parent
    if not (tools / "convert_imageset").exists():
        pytest.skip(f"no convert_imageset beside {bvlc}")
    source = tmp_path / "a.txt"
    source.write_text("".join(f"{item.path} {item.label}\n" for item in read_source(folder).items))
    real, sizes = tmp_path / "real", ["--resize_width", "17", "--resize_height", "23"]
    run = [tools / "convert_imageset", *words, *sizes, f"{folder}/", source, real]
    subprocess.run(run, check=True, capture_output=True)
    subprocess.run([tools / "compute_image_mean", real, tmp_path / "mean"], check=True, capture_output=True)
    settings = {"gray": "--gray" in words, "encode": "png" if "png" in words else "raw"}
    gen_lmdb(
        source,
        tmp_path / "ours",
        GenLmdbSettings(resize=Size(17, 23), shuffle=False, **settings),
        root=folder,
    )
    assert records(tmp_path / "ours") == records(real)
    ours, theirs = read_mean(tmp_path / "ours.mean.binaryproto"), read_mean(tmp_path / "mean")
    assert np.allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("part", ["train", "test"])
def test_databases_that_real_caffe_wrote_years_ago(shared: Path, tmp_path: Path, part: str) -> None:
    """The same keys, bytes and mean from the same photos (256x256, bilinear)."""
    project = shared / "data/caffe_projects/dev/caffestart"
    theirs = records(project / f"{part}_lmdb")
    source = tmp_path / "a.txt"
    rows = [f"{key.decode()[9:]} {parse_datum(value).label}\n" for key, value in theirs]
    source.write_text("".join(rows))
    settings = GenLmdbSettings(resize=Size(256, 256), shuffle=False)
    gen_lmdb(source, tmp_path / "db", settings, root=project / f"{part}_raw_img")
    assert records(tmp_path / "db") == theirs
    means = read_mean(tmp_path / "db.mean.binaryproto"), read_mean(project / f"{part}_mean")
    assert np.allclose(*means, rtol=0, atol=1e-4)
