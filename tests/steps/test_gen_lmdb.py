"""gen-lmdb: the records of convert_imageset, mean and contract, and nothing left behind when it fails."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import h5py
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
    assert contract.std_layer and contract.scale == 1.0, "each channel varies in its own way"
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


def test_several_labels_go_beside_the_images_in_their_order(folder: Path, tmp_path: Path) -> None:
    rows = [f"raw/{name}/00{i}.png,{i / 4},{10 * i}" for name in ("cat", "dog") for i in range(4)]
    (tmp_path / "a.csv").write_text("path,label_x,label_y\n" + "\n".join(rows) + "\n")
    wanted = {row.split(",")[0]: [float(cell) for cell in row.split(",")[1:]] for row in rows}
    report = make(tmp_path / "a.csv", tmp_path / "db", Options(seed=3))
    labels = records(tmp_path / "db.labels.lmdb")
    assert [key for key, _ in labels] == [key for key, _ in records(tmp_path / "db")]
    found = {key.decode()[9:]: datum_array(parse_datum(value)).ravel().tolist() for key, value in labels}
    assert found == wanted and [*found] != [*wanted]
    assert report.summary["label_columns"][1] == {"name": "label_y", "min": 0, "max": 30, "mean": 15}
    assert report.summary["labels"] == {} and "second Data layer" in str(report)
    # HDF5 in the same order, and the LMDB of the labels is not left beside it.
    make(tmp_path / "a.csv", tmp_path / "db", Options(seed=3, overwrite=True), label_store="hdf5")
    with h5py.File(tmp_path / "db.labels.h5") as file:
        assert file["label"][:].tolist() == [*found.values()]
    assert (tmp_path / "db.labels.h5.txt").read_text() == f"{tmp_path}/db.labels.h5\n"
    assert not (tmp_path / "db.labels.lmdb").exists()


def test_labels_of_unreadable_images_are_left_out_too(folder: Path, tmp_path: Path) -> None:
    (folder / "cat/001.png").write_bytes(b"")
    (tmp_path / "a.csv").write_text("path,label\n" + "".join(f"raw/cat/00{i}.png,{i}.5\n" for i in range(4)))
    make(tmp_path / "a.csv", tmp_path / "db", shuffle=False, max_rejected=1)
    assert [image.ravel().tolist() for image in images(tmp_path / "db.labels.lmdb")] == [[0.5], [2.5], [3.5]]


def test_a_csv_of_classes_is_a_list(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,label\nraw/cat/000.png,tom\nraw/dog/000.png,rex\n")
    report = make(tmp_path / "a.csv", tmp_path / "db", shuffle=False)
    assert report.summary["labels"] == {"0": 1, "1": 1}
    assert lines(tmp_path / "db.labels.txt") == ["rex", "tom"]
    assert not (tmp_path / "db.labels.lmdb").exists()


@pytest.mark.parametrize("third", ["", " dog/001.png"], ids=["pairs", "triplets"])
def test_pairs_and_triplets_are_stacked(folder: Path, tmp_path: Path, third: str) -> None:
    (tmp_path / "p.txt").write_text(f"cat/000.png cat/001.png{third}\n" * 2)
    report = make(folder, tmp_path / "db", resize=Size(20, 20), pairs=tmp_path / "p.txt", shuffle=False)
    each = 3 if third else 2
    first = images(tmp_path / "db")[0]
    alone = cv2.resize(cv2.imread(str(folder / "cat/001.png")), (20, 20)).transpose(2, 0, 1)
    assert first.shape == (3 * each, 20, 20) and np.array_equal(first[3:6], alone)
    datum = parse_datum(records(tmp_path / "db")[0][1])
    assert datum.label == (0 if third else 1)
    contract = Preprocess.read(tmp_path / "db.preprocess.yaml")
    assert (tmp_path / "db.labels.txt").exists() == bool(third), "same or not is no class"
    assert contract.images == each and len(contract.mean_values) == 3
    assert read_mean(tmp_path / "db.mean.binaryproto").shape == (3 * each, 20, 20)
    assert report.summary["shape"] == [3 * each, 20, 20]
    assert np.allclose(contract.mean_values, first.reshape(each, 3, -1).mean((0, 2)))


def test_pairs_of_other_sizes_or_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(folder / "dog/000.png"), np.zeros((50, 60, 3), np.uint8))
    (tmp_path / "p.txt").write_text("cat/000.png dog/000.png\n")
    with pytest.raises(DataError, match="other-size: the images of a record are 40x40 and 60x50"):
        make(folder, tmp_path / "db", pairs=tmp_path / "p.txt")
    (folder / "dog/000.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 1 images.*\n.*dog/000.png: undecodable"):
        make(folder, tmp_path / "db", pairs=tmp_path / "p.txt")


def jpegs(root: Path, count: int) -> Path:
    """A class of photos as JPEG files."""
    (root / "a").mkdir(parents=True)
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8)
        cv2.imwrite(str(root / f"a/{i}.jpg"), cv2.GaussianBlur(noise, (0, 0), 2))
    return root


@pytest.mark.parametrize("verify", [True, False])
def test_files_are_taken_over_as_they_are(tmp_path: Path, verify: bool) -> None:
    source = jpegs(tmp_path / "raw", 3)
    make(source, tmp_path / "with_mean", encode="jpg", shuffle=False)
    report = make(source, tmp_path / "db", encode="jpg", shuffle=False, mean=False, verify=verify)
    assert records(tmp_path / "db") == records(tmp_path / "with_mean")
    assert parse_datum(records(tmp_path / "db")[0][1]).data == (source / "a/0.jpg").read_bytes()
    assert report.summary["shape"] == [3, 60, 80]


def test_damage_is_found_where_files_are_verified(tmp_path: Path) -> None:
    source = jpegs(tmp_path / "raw", 3)
    data = (source / "a/1.jpg").read_bytes()
    (source / "a/1.jpg").write_bytes(data[:1200] + bytes(600) + data[1800:])
    with pytest.raises(DataError, match=r"a/1.jpg: truncated: Corrupt"):
        make(source, tmp_path / "db", encode="jpg", mean=False)
    make(source, tmp_path / "db", encode="jpg", mean=False, verify=False)
    (source / "a/1.jpg").write_bytes(data[:-100])
    with pytest.raises(DataError, match=r"a/1.jpg: truncated: Premature"):
        make(source, tmp_path / "db2", encode="jpg", mean=False, verify=False)


@pytest.mark.parametrize("settings", [KEPT, {}, {"encode": "jpg"}], ids=["resized", "as they are", "jpg"])
def test_a_disk_too_small_is_known_before(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    said = make(folder, tmp_path / "db", Options(dry_run=True), **settings).summary["bytes_needed"]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=said - 1))
    with pytest.raises(EnvironmentProblem, match=r"db: needs about .* has .* left"):
        make(folder, tmp_path / "db", **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=said))
    make(folder, tmp_path / "db", **settings)


def test_the_size_is_known_to_a_few_percent(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"a": 200}, side=48)
    said = make(folder, tmp_path / "db", Options(dry_run=True)).summary["bytes_needed"]
    make(folder, tmp_path / "db")
    assert said == pytest.approx((tmp_path / "db/data.mdb").stat().st_size, rel=0.05)


def test_channels_that_vary_alike_need_no_layer(tmp_path: Path) -> None:
    for name, factor in (("same", 1.0), ("other", 0.5)):
        (tmp_path / name / "a").mkdir(parents=True)
        gray = np.random.default_rng(0).integers(0, 256, (8, 8, 1)).repeat(3, axis=2) * np.array(
            [1, 1, factor]
        )
        cv2.imwrite(str(tmp_path / name / "a/0.png"), gray.astype(np.uint8))
        make(tmp_path / name, tmp_path / f"{name}_db")
    same, other = (Preprocess.read(tmp_path / f"{name}_db.preprocess.yaml") for name in ("same", "other"))
    assert not same.std_layer and same.scale == pytest.approx(1 / same.std[0])
    assert other.std_layer and other.scale == 1.0
