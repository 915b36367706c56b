"""The Data layer: order, transforms, skipping, and records that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.formats.binaryproto import write_mean
from caffekit.formats.datum import encoded_datum, image_datum
from caffekit.formats.images import encode
from caffekit.formats.lmdb_store import write_lmdb

RECORDS = 10


def images() -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (RECORDS, 6, 8, 3)).astype(np.uint8)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    records = [(b"%08d_x" % i, image_datum(image, i).SerializeToString()) for i, image in enumerate(images())]
    write_lmdb(tmp_path / "db", records)
    return tmp_path / "db"


def net(db: Path, transform: str = "", phase: int = caffe.TRAIN, batch: int = 4, seed: int = 1) -> caffe.Net:
    path = db.parent / "net.prototxt"
    path.write_text(
        f'layer {{ name: "d" type: "Data" top: "data" top: "label" transform_param {{ {transform} }}'
        f' data_param {{ source: "{db}" batch_size: {batch} backend: LMDB }} }}'
    )
    caffe.set_random_seed(seed)
    return caffe.Net(str(path), phase)


def test_records_in_key_order_round_and_round(db: Path) -> None:
    n = net(db)
    seen = [n.forward()["label"].copy() for _ in range(3)]
    assert np.concatenate(seen).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    np.testing.assert_array_equal(n.blobs["data"].data[0], images()[8].transpose(2, 0, 1))


def test_skip_goes_on_in_the_data(db: Path) -> None:
    n = net(db)
    n.layers[0].skip(3)
    assert n.forward()["label"].tolist() == [2, 3, 4, 5]
    with pytest.raises(RuntimeError, match="before the first forward"):
        n.layers[0].skip(1)


def test_mean_scale_and_the_central_crop(db: Path) -> None:
    n = net(db, "mean_value: 1 mean_value: 2 mean_value: 3 scale: 0.5 crop_size: 4", caffe.TEST)
    want = (images()[0][1:5, 2:6].astype(np.float32) - [1, 2, 3]).transpose(2, 0, 1) * 0.5
    np.testing.assert_allclose(n.forward()["data"][0], want, rtol=1e-6)


def test_a_mean_file_is_cut_where_the_image_is(db: Path, tmp_path: Path) -> None:
    mean = np.random.RandomState(1).uniform(0, 255, (3, 6, 8)).astype(np.float32)
    write_mean(tmp_path / "mean.binaryproto", mean)
    n = net(db, f'mean_file: "{tmp_path}/mean.binaryproto" crop_size: 4', caffe.TEST)
    want = images()[0].transpose(2, 0, 1)[:, 1:5, 2:6] - mean[:, 1:5, 2:6]
    np.testing.assert_allclose(n.forward()["data"][0], want, rtol=1e-6)


def test_random_crops_and_mirrors_follow_the_seed(db: Path) -> None:
    first = net(db, "crop_size: 4 mirror: true").forward()["data"].copy()
    same = net(db, "crop_size: 4 mirror: true").forward()["data"]
    other = net(db, "crop_size: 4 mirror: true", seed=2).forward()["data"]
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_encoded_records_are_decoded(db: Path, tmp_path: Path) -> None:
    data = encode(images()[0], "png", 95)
    write_lmdb(tmp_path / "png", [(b"0", encoded_datum(data, 7).SerializeToString())])
    n = net(tmp_path / "png", batch=1)
    assert n.forward()["label"].tolist() == [7]
    np.testing.assert_array_equal(n.blobs["data"].data[0], images()[0].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("crop_size: 7", "crop_size 7 is larger"),
        ("mean_value: 1 mean_value: 2", "as many as channels: 3; got 2"),
        ('mean_value: 1 mean_file: "x"', "at the same time"),
    ],
)
def test_transforms_that_do_not_fit(db: Path, transform: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        net(db, transform)


def test_a_record_of_another_size_is_named(db: Path, tmp_path: Path) -> None:
    records = [(b"a", image_datum(images()[0], 0)), (b"b", image_datum(images()[0][:4], 0))]
    write_lmdb(tmp_path / "odd", [(key, datum.SerializeToString()) for key, datum in records])
    n = net(tmp_path / "odd", batch=2)
    with pytest.raises(
        ValueError, match=r"record b: gives \(3, 4, 8\), the first image of its batch \(3, 6, 8\)"
    ):
        n.forward()


def test_a_record_that_is_no_datum_is_named(db: Path, tmp_path: Path) -> None:
    good = image_datum(images()[0], 0).SerializeToString()
    write_lmdb(tmp_path / "bad", [(b"a", good), (b"b", b"\xff\xff\xff")])
    n = net(tmp_path / "bad", batch=2)
    with pytest.raises(
        ValueError, match="layer 'd': .*bad: record b: datum: not a Caffe Datum; make the LMDB"
    ):
        n.forward()
