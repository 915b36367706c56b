"""augment: copies, names, repeatability, and the preview."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.config.schema import AugmentSettings
from caffekit.errors import DataError, UsageError
from caffekit.formats.image_list import read_source
from caffekit.formats.images import decode
from caffekit.options import Options
from caffekit.steps import copies
from caffekit.steps.augment import augment

from .pictures import make_folder

SETTINGS = AugmentSettings(copies=2, rotate=15, scale=(0.8, 1.2), color=0.2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "raw", {"cat": 3, "dog": 2})


def test_originals_and_copies(folder: Path, tmp_path: Path) -> None:
    report = augment(folder, tmp_path / "out", SETTINGS)
    images = read_source(tmp_path / "out" / "augmented.txt")
    assert report.summary["total"] == len(images.items) == 5 * 3
    pixels = {cv2.imread(str(images.file(item))).tobytes() for item in images.items}
    assert len(pixels) == 15
    original = folder / "cat" / "000.png"
    assert (tmp_path / "out" / "images" / "cat" / "000.png").read_bytes() == original.read_bytes()


def test_a_repeated_line_gets_other_copies(folder: Path, tmp_path: Path) -> None:
    balanced = tmp_path / "b"
    balanced.mkdir()
    (balanced / "list.txt").write_text("cat/000.png 0\ncat/000.png 0\n")
    (balanced / "summary.json").write_text('{"root": "../raw", "repeats": true}')
    augment(balanced / "list.txt", tmp_path / "out", SETTINGS)
    copies = [cv2.imread(str(p)).tobytes() for p in (tmp_path / "out" / "images" / "cat").glob("*.*.png")]
    assert len(copies) == len(set(copies)) == 4


def test_copies_of_copies_take_no_others_place(folder: Path, tmp_path: Path) -> None:
    augment(folder, tmp_path / "once", SETTINGS)
    augment(tmp_path / "once" / "augmented.txt", tmp_path / "twice", SETTINGS)
    images = read_source(tmp_path / "twice" / "augmented.txt")
    assert len({item.path for item in images.items}) == len(images.items) == 5 * 3 * 3
    assert len(list((tmp_path / "twice" / "images").rglob("*.png"))) == 45


def test_workers_do_not_change_the_result_and_seeds_do(folder: Path, tmp_path: Path) -> None:
    runs = {"a": Options(workers=1), "b": Options(workers=4), "c": Options(seed=1)}
    for name, options in runs.items():
        augment(folder, tmp_path / name, SETTINGS, options)
    a, b, c = ([p.read_bytes() for p in sorted((tmp_path / n).rglob("*.*.png"))] for n in "abc")
    assert a == b and a != c


def test_gray_stays_gray(tmp_path: Path) -> None:
    (tmp_path / "raw" / "x").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "raw" / "x" / "g.png"), np.arange(1600, dtype=np.uint8).reshape(40, 40))
    augment(tmp_path / "raw", tmp_path / "out", SETTINGS)
    made = cv2.imread(str(tmp_path / "out" / "images" / "x" / "g.png.1.png"), cv2.IMREAD_UNCHANGED)
    assert made.ndim == 2


def test_the_preview_shows_each_image_and_its_copies(folder: Path, tmp_path: Path) -> None:
    augment(folder, tmp_path / "out", SETTINGS, grid=tmp_path / "grid.png")
    grid = cv2.imread(str(tmp_path / "grid.png"))
    assert grid.shape == (5 * 96, 3 * 96, 3)


def test_nothing_to_do_is_a_usage_error(folder: Path, tmp_path: Path) -> None:
    for settings in (AugmentSettings(copies=2), AugmentSettings(rotate=3)):
        with pytest.raises(UsageError, match="nothing to do"):
            augment(folder, tmp_path / "out", settings)


def test_an_unreadable_image_is_named_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    (folder / "dog" / "001.png").unlink()
    (tmp_path / "l.txt").write_text("raw/cat/000.png 0\nraw/dog/001.png 1\n")
    with pytest.raises(DataError, match=r"dog/001\.png: No such file"):
        augment(tmp_path / "l.txt", tmp_path / "out", SETTINGS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.txt", "raw"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop": (0.9, 0.5)},
        {"crop": (0.0, 1.0)},
        {"crop": (0.5, 2.0)},
        {"scale": (-1.0, 2.0)},
        {"jpeg": (0, 90)},
    ],
)
def test_a_range_that_makes_no_sense_is_refused(wrong: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="expected FROM,TO with 0 < FROM <= TO"):
        AugmentSettings(copies=1, **wrong)  # type: ignore[arg-type]


def test_copies_as_jpeg_files(folder: Path, tmp_path: Path) -> None:
    augment(folder, tmp_path / "png", SETTINGS)
    augment(folder, tmp_path / "jpg", SETTINGS.model_copy(update={"encode": "jpg"}))
    made = sorted((tmp_path / "jpg" / "images").rglob("*.*.jpg"))
    assert len(made) == 10
    for path in made:
        twin = tmp_path / "png" / path.relative_to(tmp_path / "jpg").with_suffix(".png")
        one, other = (cv2.imread(str(p), cv2.IMREAD_GRAYSCALE).astype(int) for p in (path, twin))
        assert abs(one - other).mean() < 6  # of noise in colour, JPEG keeps the brightness
    assert len(read_source(tmp_path / "jpg" / "augmented.txt").items) == 15


def test_an_image_is_decoded_once_for_all_its_copies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(copies, "decode", lambda data: calls.append(1) or decode(data))
    augment(folder, tmp_path / "out", SETTINGS)
    assert len(calls) == 5
