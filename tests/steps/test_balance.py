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


def test_an_image_of_one_colour_is_jittered_into_different_ones(tmp_path: Path) -> None:
    """Turned and scaled it stays itself, and black is black however bright: noise makes the difference."""
    folder = make_folder(tmp_path / "raw", {"cat": 12, "eel": 1})
    cv2.imwrite(str(folder / "eel" / "000.png"), np.zeros((40, 40, 3), np.uint8))
    balance(folder, tmp_path / "out", BalanceSettings(method="jitter"))
    black = [cv2.imread(str(p)).tobytes() for p in (tmp_path / "out" / "images" / "eel").iterdir()]
    assert len(black) == len(set(black)) == 12


def test_an_image_with_too_few_pixels_for_its_copies_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "raw", {"cat": 400})
    (folder / "dot").mkdir()
    cv2.imwrite(str(folder / "dot" / "1.png"), np.zeros((1, 1), np.uint8))
    with pytest.raises(DataError, match=r"dot/1\.png is too small for \d+ copies that all differ"):
        balance(folder, tmp_path / "out", BalanceSettings(method="jitter"))


def test_jitter_of_a_list_with_repeats(folder: Path, tmp_path: Path) -> None:
    """The lines of one image are not side by side; each gets copies of its own."""
    (tmp_path / "a.txt").write_text("cat/000.png 0\ndog/000.png 1\ndog/001.png 1\n" * 2 + "cat/001.png 0\n")
    (tmp_path / "summary.json").write_text('{"root": "raw", "repeats": true}')
    balance(tmp_path / "a.txt", tmp_path / "out", BalanceSettings(method="jitter", target=8))
    made = [cv2.imread(str(p)).tobytes() for p in (tmp_path / "out" / "images").rglob("*.png")]
    assert len(made) == len(set(made)) == 16 - 3


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


def test_a_validation_list_elsewhere_and_other_names_of_a_file(folder: Path, tmp_path: Path) -> None:
    """A link has another name, and a CSV list other words, but the image is the same."""
    (tmp_path / "link.png").symlink_to(folder / "dog" / "000.png")
    (tmp_path / "hard.png").hardlink_to(folder / "dog" / "001.png")
    (tmp_path / "train.txt").write_text("raw/cat/000.png 0\nraw/dog/000.png 1\nraw/dog/001.png 1\n")
    for name in ("link", "hard"):
        held = tmp_path / "elsewhere" / f"{name}.csv"
        held.parent.mkdir(exist_ok=True)
        held.write_text(f"path,label_1,label_2\n../{name}.png,0.5,1\n")
        with pytest.raises(DataError, match=rf"1 images stand in .*{name}.csv too, first ../{name}.png"):
            settings = BalanceSettings(method="oversample", held_out=[held])
            balance(tmp_path / "train.txt", tmp_path / "out", settings)
    held.write_text("path,label\n../raw/dog/002.png,1\n")
    balance(tmp_path / "train.txt", tmp_path / "out", settings)


def test_folds_have_their_test_list_a_folder_above(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "fold_1").mkdir()
    (tmp_path / "fold_1" / "train.txt").write_text("../raw/cat/000.png 0\n../raw/dog/000.png 1\n")
    (tmp_path / "test.txt").write_text("raw/dog/000.png 1\n")
    with pytest.raises(DataError, match=r"1 images stand in .*test.txt too"):
        balance(tmp_path / "fold_1" / "train.txt", tmp_path / "out")


def test_a_csv_list_keeps_its_columns(folder: Path, tmp_path: Path) -> None:
    rows = [f"raw/cat/{k:03d}.png,cat,p{k}" for k in range(4)] + ["raw/dog/000.png,dog,q"]
    (tmp_path / "a.csv").write_text("path,label,person\n" + "\n".join(rows) + "\n")
    for method, images in (("oversample", "raw/dog/000.png"), ("jitter", "raw/dog/000.png.3.png")):
        balance(tmp_path / "a.csv", tmp_path / method, BalanceSettings(method=method))
        written = lines(tmp_path / method / "balanced.csv")
        assert written[0] == "path,label,person" and written[-1] == f"{images},dog,q" and len(written) == 9
        listed, table = (read_source(tmp_path / method / f"balanced.{kind}") for kind in ("txt", "csv"))
        assert listed.items == table.items and all(table.file(item).is_file() for item in table.items)


@pytest.mark.parametrize(("method", "counts"), [("undersample", [4, 4, 3]), ("hybrid", [4, 4, 4])])
def test_features_decide_which_images_stay(
    folder: Path, tmp_path: Path, method: str, counts: list[int]
) -> None:
    """cat/000 is half a dog, cat/005 like nothing else: both stay. cat/003 is a dog with a wrong label."""
    paths = [item.path for item in read_source(folder).items]
    points = {"cat": [1.0, 0.0, 0.0], "dog": [0.0, 1.0, 0.0], "eel": [-1.0, 0.0, 0.2]}
    array = np.array([points[path[:3]] for path in paths]) + 0.01 * np.random.default_rng(0).normal(
        size=(len(paths), 3)
    )
    array[paths.index("cat/000.png")] = [1.0, 0.8, 0.0]
    array[paths.index("cat/003.png")] = [0.0, 1.0, 0.0]
    array[paths.index("cat/005.png")] = [0.5, 0.0, -1.5]
    np.savez(tmp_path / "f.npz", features=array.astype(np.float32), paths=np.array(paths))
    settings: dict[str, Any] = {"method": method, "target": 4, "features": tmp_path / "f.npz"}
    balance(folder, tmp_path / "out", BalanceSettings(**settings))
    kept = lines(tmp_path / "out" / "balanced.txt")
    assert [sum(line.endswith(f" {label}") for line in kept) for label in range(3)] == counts
    assert {"cat/000.png 0", "cat/005.png 0"} <= set(kept) and "cat/003.png 0" not in kept


def test_features_are_of_no_use_where_all_images_stay(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--method jitter keeps all"):
        balance(tmp_path, tmp_path / "out", BalanceSettings(method="jitter", features=tmp_path / "f.npz"))


def test_classes_that_the_cap_keeps_small_are_listed(folder: Path, tmp_path: Path) -> None:
    report = balance(folder, tmp_path / "out", BalanceSettings(method="oversample", max_repeat=2))
    assert report.summary["capped"] == ["dog", "eel"] and report.summary["target"] == 12
    assert report.lines[-1] == "  --max-repeat keeps 2 classes below 12"


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
