"""The preprocessing contract: what it does to an image, and that mistakes in the file are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.images import encode
from caffekit.formats.preprocess import (
    Preprocess,
    class_names,
    division_by,
    mean_path,
    preprocess_path,
    std_factors,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def test_apply_is_mean_then_scale() -> None:
    contract = Preprocess(mean_values=[1.0, 2.0, 3.0], std=[2.0, 4.0, 6.0], scale=0.25)
    seen = contract.apply(IMAGE)
    assert seen.dtype == np.float32 and seen.shape == (3, 6, 8)
    assert np.array_equal(seen[2], (IMAGE[:, :, 2].astype(np.float32) - 3) / 4)


def test_files_become_what_the_database_holds() -> None:
    contract = Preprocess(channels=1, color="gray", width=4, height=4)
    assert contract.read_image(encode(IMAGE, "png")).shape == (4, 4, 1)
    assert Preprocess(short=3).read_image(encode(IMAGE, "png")).shape == (3, 4, 3)
    assert Preprocess().read_image(encode(IMAGE, "png")).shape == (6, 8, 3)
    assert Preprocess(width=2, height=2, fit="crop").apply(IMAGE).shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("std", "scale", "layer"),
    [
        ([20.0], 0.05, False),
        ([20.0, 20.0, 20.0005], 0.05, False),
        ([10.0, 20.0, 30.0], 1.0, True),
        ([10.0, 0.0, 10.0], 1.0, True),
        ([0.0], 1.0, False),
        ([], 1.0, False),
    ],
)
def test_one_scale_where_all_channels_vary_alike(std: list[float], scale: float, layer: bool) -> None:
    division = division_by(std)
    assert division["scale"] == pytest.approx(scale, rel=1e-4) and division["std_layer"] is layer


def test_a_channel_that_does_not_vary_is_not_divided() -> None:
    assert std_factors([10.0, 0.0, 4.0]) == [0.1, 1.0, 0.25]


def test_class_names_are_the_database_s_own_or_its_folder_s(tmp_path: Path) -> None:
    assert class_names(tmp_path / "db") == []
    (tmp_path / "labels.txt").write_text("a\nb\n")
    assert class_names(tmp_path / "db") == ["a", "b"]
    (tmp_path / "db.labels.txt").write_text("cat\ndog\n")
    assert class_names(tmp_path / "db") == ["cat", "dog"] and class_names(tmp_path / "val") == ["a", "b"]
    (tmp_path / "db.labels.txt").write_text("cat\n\ndog\n")
    with pytest.raises(FormatError, match=r"db.labels.txt:2: empty line"):
        class_names(tmp_path / "db")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    contract = Preprocess(width=3, height=2, mean_values=[0.1] * 3, mean_file="db.mean.binaryproto")
    contract.write(tmp_path / "p.yaml")
    assert Preprocess.read(tmp_path / "p.yaml") == contract


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht: 3", "widht: Extra inputs"),
        ("version: 2", "version: "),
        ("channels: 4", "channels: "),
        ("mean_values: [a]", r"mean_values\.0: "),
        ("a: [", "not YAML"),
        ("hello", "expected `key: value` lines, got str"),
        ("", "expected .*, got NoneType"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(FormatError, match=rf"p\.yaml: {message}"):
        Preprocess.read(tmp_path / "p.yaml")


def test_a_missing_contract(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Preprocess.read(tmp_path / "p.yaml")


def test_names_beside_the_database() -> None:
    assert preprocess_path(Path("a/db")) == Path("a/db.preprocess.yaml")
    assert mean_path(Path("a/db.v2")) == Path("a/db.v2.mean.binaryproto")
