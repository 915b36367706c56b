"""The transformer: its formula, the order of its draws, and parameters and images that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.formats.binaryproto import write_mean
from caffekit.formats.caffe_pb2 import TransformationParameter
from caffekit.pycaffe.data_transformer import DataTransformer
from caffekit.pycaffe.mode import Rng, rng

IMAGE = np.random.RandomState(0).randint(0, 256, (3, 6, 8)).astype(np.uint8)


def transformer(phase: int = caffe.TEST, **values: object) -> DataTransformer:
    made = DataTransformer(TransformationParameter(**values), phase)
    made.init_rand()
    return made


def apply(made: DataTransformer, image: np.ndarray = IMAGE) -> np.ndarray:
    out = np.full(made.shape(image.shape), np.nan, np.float32)
    made.apply(image, out, made.draw())
    return out


def test_scale_comes_after_the_mean() -> None:
    got = apply(transformer(mean_value=[1, 2, 3], scale=0.5))
    np.testing.assert_array_equal(got, (IMAGE - np.float32([1, 2, 3])[:, None, None]) * np.float32(0.5))


def test_one_mean_value_is_for_all_channels() -> None:
    np.testing.assert_array_equal(apply(transformer(mean_value=[7])), IMAGE.astype(np.float32) - 7)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_mean_file_is_read_where_the_crop_is_and_not_mirrored(tmp_path: Path, mirror: bool) -> None:
    mean = np.random.RandomState(1).uniform(0, 255, IMAGE.shape).astype(np.float32)
    write_mean(tmp_path / "mean", mean)
    caffe.set_random_seed(2)
    made = transformer(mean_file=str(tmp_path / "mean"), crop_size=4, mirror=mirror)
    flips = [int(w) % 2 for w in Rng(made_seed(2)).words(8)] if mirror else [0] * 8
    plain = (IMAGE - mean)[:, 1:5, 2:6]
    for flip in flips:
        np.testing.assert_array_equal(apply(made), plain[:, :, ::-1] if flip else plain)
    assert mirror == (1 in flips)


def made_seed(seed: int) -> int:
    """The first number that a process seeded with `seed` draws: it seeds its first transformer."""
    return Rng(seed).word()


def test_draws_are_mirror_row_column() -> None:
    caffe.set_random_seed(5)
    made = transformer(caffe.TRAIN, crop_size=3, mirror=True)
    words = Rng(made_seed(5))
    for _ in range(20):
        flip, top, left = (int(word) % n for word, n in zip(words.words(3), (2, 4, 6), strict=True))
        want = IMAGE[:, top : top + 3, left : left + 3]
        np.testing.assert_array_equal(apply(made), want[:, :, ::-1] if flip else want)


def test_skipping_draws_as_many_numbers_as_images_would() -> None:
    made, same = (transformer(caffe.TRAIN, crop_size=3, mirror=True) for _ in range(2))
    made.random, same.random = Rng(3), Rng(3)
    made.skip(5)
    for _ in range(5):
        same.draw()
    np.testing.assert_array_equal(made.draw(), same.draw())


@pytest.mark.parametrize(
    ("phase", "values", "draws"),
    [
        (caffe.TEST, {"crop_size": 3}, False),
        (caffe.TRAIN, {"crop_size": 3}, True),
        (caffe.TEST, {"mirror": True}, True),
        (caffe.TRAIN, {"scale": 2}, False),
    ],
)
def test_a_seed_is_drawn_only_where_something_is_random(phase: int, values: dict, draws: bool) -> None:
    caffe.set_random_seed(1)
    transformer(phase, **values)
    assert (rng().word() != Rng(1).word()) == draws


def test_float_images() -> None:
    np.testing.assert_array_equal(
        apply(transformer(scale=2), IMAGE / np.float32(3)), IMAGE / np.float32(3) * 2
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mean_file": "x", "mean_value": [1]}, "Cannot specify mean_file and mean_value at the same time"),
        ({"force_color": True, "force_gray": True}, "cannot set both force_color and force_gray"),
    ],
)
def test_parameters_that_exclude_each_other(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        transformer(**values)


def test_images_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"crop_size 7 is larger than the image \(6x8\)"):
        transformer(crop_size=7).shape(IMAGE.shape)
    with pytest.raises(ValueError, match="1 mean_value or as many as channels: 3; got 2"):
        transformer(mean_value=[1, 2]).shape(IMAGE.shape)
    write_mean(tmp_path / "mean", np.zeros((3, 4, 4), np.float32))
    with pytest.raises(ValueError, match=r"the image is \(3, 6, 8\), the mean in .* is \(3, 4, 4\)"):
        transformer(mean_file=str(tmp_path / "mean"), crop_size=4).shape(IMAGE.shape)
