"""clean: the files it writes, its counts, its limits, and sets that must not be harmed."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits

from caffekit.cli import main
from caffekit.config.schema import CleanSettings
from caffekit.config.values import Percent
from caffekit.errors import UsageError
from caffekit.formats.image_list import read_source
from caffekit.options import Options
from caffekit.steps.clean import clean
from caffekit.steps.clean_measure import _crashed, _mapped
from caffekit.steps.clean_worker import row_of
from caffekit.steps.processes import process_map

from .pictures import lines


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 digits of each of five classes at 32x32, one of them in a wrong folder, one of them twice."""
    folder = tmp_path_factory.mktemp("digits")
    data = load_digits()
    for label in range(5):
        for n, i in enumerate(np.flatnonzero(data.target == label)[:60]):
            image = np.clip(cv2.resize(data.images[i] * 16, (32, 32)), 0, 255).astype(np.uint8)
            names = [f"{label}/{n:02d}.png"]
            if label == 3 and n == 7:
                names = ["0/wrong.png"]
            if label == 2 and n == 5:
                names.append("2/copy.png")
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True)
                cv2.imwrite(str(folder / name), image)
    (folder / "1" / "broken.png").write_bytes((folder / "1" / "00.png").read_bytes()[:100])
    (folder / "4" / "<b>&.png").write_bytes(b"text")
    return folder


def table(path: Path) -> dict[str, str]:
    with open(path, newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def test_every_image_is_kept_or_rejected_for_one_reason(digits: Path, tmp_path: Path) -> None:
    report = clean(digits, tmp_path / "out")
    rejected = table(tmp_path / "out" / "rejected.csv")
    assert rejected.pop("1/broken.png") == "truncated"
    assert rejected.pop("4/<b>&.png") == "wrong-format"
    assert rejected.pop("0/wrong.png") == "suspect-label"
    assert rejected in ({"2/copy.png": "exact-duplicate"}, {"2/05.png": "exact-duplicate"})
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["total"] == 303 == summary["kept"] + sum(summary["rejected"].values())
    assert summary["kept"] == len(lines(tmp_path / "out" / "clean.txt")) == report.summary["kept"]
    kept = read_source(tmp_path / "out" / "clean.txt")
    assert all(kept.file(item).is_file() for item in kept.items) and kept.classes == list("01234")


def test_the_page_escapes_names_and_needs_nothing_else(digits: Path, tmp_path: Path) -> None:
    clean(digits, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "4/&lt;b&gt;&amp;.png" in page and "<b>&.png" not in page
    assert "data:image/jpeg;base64," in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_the_same_input_gives_the_same_bytes(digits: Path, tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 2)):
        clean(digits, tmp_path / name, options=Options(workers=workers))
    for file in ("clean.txt", "rejected.csv", "groups.csv", "labels.txt"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("mode", ["copy", "link"])
def test_kept_images_can_be_taken_along(digits: Path, tmp_path: Path, mode: str) -> None:
    clean(digits, tmp_path / "out", CleanSettings(mode=mode))  # type: ignore[arg-type]
    kept = read_source(tmp_path / "out" / "clean.txt")
    assert kept.root == tmp_path / "out" / "images"
    item = kept.items[0]
    assert kept.file(item).read_bytes() == (digits / item.path).read_bytes()


def test_checks_can_be_chosen(digits: Path, tmp_path: Path) -> None:
    clean(digits, tmp_path / "a", CleanSettings(checks=["exact-duplicate"]))
    assert set(table(tmp_path / "a" / "rejected.csv").values()) == {
        "truncated",
        "wrong-format",
        "exact-duplicate",
    }
    clean(digits, tmp_path / "b", CleanSettings(labels=False, skip=["exact-duplicate"]))
    assert set(table(tmp_path / "b" / "rejected.csv").values()) == {"truncated", "wrong-format"}
    for settings in (CleanSettings(skip=["blury"]), CleanSettings(skip=["truncated"])):
        with pytest.raises(UsageError, match="unknown check 'blury'|truncated cannot be skipped"):
            clean(digits, tmp_path / "c", settings)


def test_more_rejected_than_allowed_is_exit_4_with_the_result_written(digits: Path, tmp_path: Path) -> None:
    report = clean(digits, tmp_path / "out", CleanSettings(max_rejected=3))
    assert report.exit_code == 4 and "4 of 303 images are rejected" in str(report.error)
    assert not report.next
    assert (tmp_path / "out" / "report.html").is_file()
    assert clean(digits, tmp_path / "more", CleanSettings(max_rejected=Percent(2))).exit_code == 0


def test_a_dry_run_writes_nothing(digits: Path, tmp_path: Path) -> None:
    report = clean(digits, tmp_path / "out", options=Options(dry_run=True))
    assert "would check 303 images" in str(report) and not (tmp_path / "out").exists()


def test_look_alikes_are_not_lost(shared: Path, tmp_path: Path) -> None:
    """3,000 MNIST digits: by hash alone half of them are 'duplicates' of another."""
    import gzip

    folder = shared / "data" / "mnist"
    with gzip.open(next(folder.glob("t10k-images*"))) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)[:3000]
    with gzip.open(next(folder.glob("t10k-labels*"))) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)[:3000]
    for i, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (tmp_path / "raw" / str(label)).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "raw" / str(label) / f"{i}.png"), image)
    report = clean(tmp_path / "raw", tmp_path / "out", CleanSettings(min_size=28))
    assert report.summary["kept"] > 0.97 * 3000


def _crash_on_three(item: int) -> int:
    if item == 3:
        import os

        os.abort()
    return item


def test_a_decoder_that_crashes_costs_one_image() -> None:
    got = list(process_map(_crash_on_three, range(6), 2, lambda item: -item))
    assert got == [0, 1, 2, -3, 4, 5]


def _hang_on_three(item: int) -> int:
    if item == 3:
        import time

        time.sleep(60)
    return item


def test_a_decoder_that_hangs_costs_one_image() -> None:
    got = list(process_map(_hang_on_three, range(6), 2, lambda item: -item, seconds=1))
    assert got == [0, 1, 2, -3, 4, 5]


def test_an_output_inside_the_set_is_refused(digits: Path) -> None:
    with pytest.raises(UsageError, match="is inside"):
        clean(digits, digits / "clean")
    assert not (digits / "clean").exists()


def test_decoders_do_not_talk_over_the_result(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    png = cv2.imencode(".png", photo := np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[1]
    (tmp_path / "cut.png").write_bytes(png.tobytes()[:5000] + b"IEND")
    jpeg = cv2.imencode(".jpg", photo)[1].tobytes()
    (tmp_path / "odd.jpg").write_bytes(jpeg[:20] + b"\0" * 5 + jpeg[20:])
    files = [(str(tmp_path / name), False) for name in ("cut.png", "odd.jpg")]
    cut, odd = _mapped(row_of, files, Options(), _crashed)
    assert cut.reason == "undecodable" and odd.flaws
    assert capfd.readouterr().err == ""


def test_limits_can_be_given(digits: Path, tmp_path: Path) -> None:
    words = ["clean", str(digits), "-o", str(tmp_path / "out"), "--checks", "low-information"]
    run = CliRunner().invoke(main, [*words, "--limit", "low-information=500", "--json", "-q"])
    assert run.exit_code == 4 and json.loads(run.stdout)["rejected"]["low-information"] == 301
    for wrong in ("low-information", "dark=1", "blurry=x"):
        assert CliRunner().invoke(main, [*words, "--limit", wrong]).exit_code == 2


def test_what_was_measured_is_told_of_kept_images_too(digits: Path, tmp_path: Path) -> None:
    report = clean(digits, tmp_path / "out", CleanSettings(labels=False, limits={"too-dark": 30.0}))
    with open(tmp_path / "out" / "scores.csv", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert len(rows) == 301 and sum(row["kept"] == "1" for row in rows.values()) == report.summary["kept"]
    row = rows["0/00.png"]
    assert (row["width"], row["height"]) == ("32", "32") and row["sharpness"] == "nan"
    assert float(row["grey_1"]) < float(row["grey_99"])
    limits = report.summary["limits"]
    assert limits["too-dark"] == 30 and limits["low-information"] < float(row["deviation"])


def test_what_decoding_changes_is_counted(digits: Path, tmp_path: Path) -> None:
    report = clean(digits, tmp_path / "out", CleanSettings(labels=False))
    assert report.summary["traits"] == {"gray": report.summary["kept"]}
    assert f"among the kept: {report.summary['kept']} gray" in str(report)
