"""AugmentedData: which image gets which change, skipping, shares of several solvers, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.datum import image_datum
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.pycaffe.mode import set_solver_count, set_solver_rank
from caffekit.transforms import augment_image, random_for

RECORDS, SEED = 5, 9
CHANGES: dict[str, Any] = {"rotate": 20.0, "scale": [0.8, 1.2], "noise": 8.0, "border": "mean"}


def images(channels: int = 3) -> Any:
    return np.random.RandomState(0).randint(0, 256, (RECORDS, 8, 9, channels)).astype(np.uint8)


def expected(number: int, channels: int = 3) -> Any:
    """The n-th image that is read: the records come round and round, each time changed anew."""
    image = images(channels)[number % RECORDS]
    return augment_image(image, random_for(SEED, "", number), CHANGES).transpose(2, 0, 1)


def net(folder: Path, data: str, transform: str = "", changes: dict[str, Any] = CHANGES) -> caffe.Net:
    told = json.dumps({"seed": SEED, "changes": changes}).replace('"', '\\"')
    (folder / "net.prototxt").write_text(
        f'layer {{ name: "d" type: "AugmentedData" top: "data" top: "label" {data}'
        f' transform_param {{ {transform} }} python_param {{ param_str: "{told}" }} }}'
    )
    caffe.set_random_seed(1)
    return caffe.Net(str(folder / "net.prototxt"), caffe.TRAIN)


def database(folder: Path, channels: int = 3, name: str = "db") -> str:
    records = [(b"%d" % i, image_datum(im, i).SerializeToString()) for i, im in enumerate(images(channels))]
    write_lmdb(folder / name, records)
    return f'data_param {{ source: "{folder / name}" batch_size: 3 backend: LMDB }}'


@pytest.fixture
def alone() -> Iterator[None]:
    yield
    set_solver_count(1)
    set_solver_rank(0)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_changed_anew_each_time(tmp_path: Path, channels: int) -> None:
    n = net(tmp_path, database(tmp_path, channels))
    for batch in range(4):
        n.forward()
        for item in range(3):
            number = 3 * batch + item
            assert n.blobs["label"].data[item] == number % RECORDS
            np.testing.assert_array_equal(n.blobs["data"].data[item], expected(number, channels))


def test_mean_and_scale_come_after_the_changes(tmp_path: Path) -> None:
    n = net(tmp_path, database(tmp_path), "mean_value: 100 scale: 0.5")
    n.forward()
    np.testing.assert_array_equal(n.blobs["data"].data[0], (expected(0) - np.float32(100)) / 2)


def test_a_resumed_run_goes_on_with_the_changes_too(tmp_path: Path) -> None:
    n = net(tmp_path, database(tmp_path))
    n.layers[0].skip(4)
    n.forward()
    np.testing.assert_array_equal(n.blobs["data"].data[1], expected(13))


@pytest.mark.usefixtures("alone")
def test_several_solvers_together_see_what_one_would(tmp_path: Path) -> None:
    set_solver_count(2)
    set_solver_rank(1)
    n = net(tmp_path, database(tmp_path))
    n.layers[0].skip(1)
    n.forward()
    np.testing.assert_array_equal(n.blobs["data"].data[0], expected(7))


def test_image_files_are_changed_as_well(tmp_path: Path) -> None:
    for i, image in enumerate(images()):
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    (tmp_path / "list").write_text("".join(f"{i}.png {i}\n" for i in range(RECORDS)))
    source = f'source: "{tmp_path / "list"}" root_folder: "{tmp_path}/" batch_size: 2'
    n = net(tmp_path, f"image_data_param {{ {source} }}")
    n.forward()
    np.testing.assert_array_equal(n.blobs["data"].data[1], expected(1))


def test_records_of_labels_stay_as_they_are(tmp_path: Path) -> None:
    """Several or float labels stand in an LMDB of their own, one 1x1 record beside each image."""
    records = [
        (b"%d" % i, Datum(channels=4, height=1, width=1, float_data=[i, 0.5, -2, 7]).SerializeToString())
        for i in range(RECORDS)
    ]
    write_lmdb(tmp_path / "labels", records)
    n = net(tmp_path, f'data_param {{ source: "{tmp_path / "labels"}" batch_size: 3 backend: LMDB }}')
    n.forward()
    assert n.blobs["data"].data[2].ravel().tolist() == [2, 0.5, -2, 7]


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    n = net(tmp_path, database(tmp_path, channels=2))
    with pytest.raises(
        ValueError, match=r"layer 'd': .*record 0: augmentation needs images with 1 or 3 chan"
    ):
        n.forward()
