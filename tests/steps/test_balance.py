"""balance: every method's counts, equal use of images, and lists that must not be touched."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from caffekit.config.schema import BalanceSettings
from caffekit.errors import DataError, UsageError
from caffekit.formats.image_list import read_source
from caffekit.options import Options
from caffekit.steps.balance import balance

from .pictures import lines, make_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "raw", {"cat": 12, "dog": 5, "eel": 3})


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({"method": "oversample"}, [12, 12, 12]),
        ({"method": "oversample", "target": "median"}, [12, 5, 5]),
        ({"method": "oversample", "target": 20}, [20, 20, 20]),
        ({"method": "oversample", "max_repeat": 2}, [12, 10, 6]),
        ({"method": "undersample", "target": "min"}, [3, 3, 3]),
        ({"method": "hybrid", "target": "mean"}, [6, 6, 6]),
        ({"method": "jitter", "target": "max"}, [12, 12, 12]),
    ],
)
def test_counts(folder: Path, tmp_path: Path, settings: dict[str, Any], counts: list[int]) -> None:
    report = balance(folder, tmp_path / "out", BalanceSettings(**settings))
    labels = Counter(int(line.split()[-1]) for line in lines(tmp_path / "out" / "balanced.txt"))
    assert [labels[c] for c in range(3)] == counts == list(report.summary["after"].values())
    images = read_source(tmp_path / "out" / "balanced.txt")
    assert all(images.file(item).is_file() for item in images.items)
    assert images.classes == ["cat", "dog", "eel"]


def test_no_image_is_used_much_more_than_another(folder: Path, tmp_path: Path) -> None:
    balance(folder, tmp_path / "out", BalanceSettings(method="oversample"))
    uses = Counter(lines(tmp_path / "out" / "balanced.txt"))
    for label in range(3):
        mine = [n for line, n in uses.items() if line.endswith(f" {label}")]
        assert max(mine) - min(mine) <= 1


def test_jitter_never_gives_the_same_pixels_twice(folder: Path, tmp_path: Path) -> None:
    balance(folder, tmp_path / "out", BalanceSettings(method="jitter"))
    images = read_source(tmp_path / "out" / "balanced.txt")
    pixels = {cv2.imread(str(images.file(item))).tobytes() for item in images.items}
    assert len(pixels) == len(images.items)


def test_workers_do_not_change_the_pixels(folder: Path, tmp_path: Path) -> None:
    for workers in (1, 4):
        balance(folder, tmp_path / str(workers), BalanceSettings(method="jitter"), Options(workers=workers))
    one = sorted((tmp_path / "1").rglob("*.png"))
    four = sorted((tmp_path / "4").rglob("*.png"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in four]


def test_a_list_that_shares_images_with_validation_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("raw/cat/000.png 0\nraw/dog/000.png 1\n")
    (tmp_path / "val.txt").write_text("raw/dog/000.png 1\n")
    with pytest.raises(DataError, match=r"1 images stand in .*val.txt too, first raw/dog/000.png"):
        balance(tmp_path / "train.txt", tmp_path / "out")
    with pytest.raises(UsageError, match="validation or test list"):
        balance(tmp_path / "val.txt", tmp_path / "out")


def test_no_method_is_a_usage_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no --method"):
        balance(folder, tmp_path / "out", BalanceSettings())
    with pytest.raises(UsageError, match="at least 1 image"):
        balance(folder, tmp_path / "out", BalanceSettings(method="undersample", target=0))


def test_a_few_images_that_stand_for_many_are_said(folder: Path, tmp_path: Path) -> None:
    report = balance(folder, tmp_path / "out", BalanceSettings(method="oversample", target=31))
    assert report.warnings == ["class eel: 3 images stand for 31; find more, or give --max-repeat"]


def test_an_unreadable_image_is_named_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    (folder / "eel" / "000.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"eel/000\.png: wrong-format"):
        balance(folder, tmp_path / "out", BalanceSettings(method="jitter"))
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def test_seeded(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        settings = BalanceSettings(method="undersample", target="min")
        balance(folder, tmp_path / name, settings, Options(seed=seed))
    a, b, c = (np.array(lines(tmp_path / name / "balanced.txt")) for name in "abc")
    assert (a == b).all() and (a != c).any()
