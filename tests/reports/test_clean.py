"""clean's report.html: paged, groups side by side, and shown by a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from caffekit.config.schema import CleanSettings
from caffekit.reports import clean as page_of
from caffekit.steps.clean import clean


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five broken files on pages of two, one picture three times, one under two labels."""
    monkeypatch.setattr(page_of, "PER_PAGE", 2)
    random = np.random.default_rng(0)
    for name in ("a/one.png", "b/two.png", "a/three.png", "b/four.png"):
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "raw" / name), random.integers(0, 256, (64, 64, 3), np.uint8))
    for name in ("a/one copy.png", "a/one copy 2.png"):
        shutil.copy(tmp_path / "raw" / "a" / "one.png", tmp_path / "raw" / name)
    shutil.copy(tmp_path / "raw" / "b" / "two.png", tmp_path / "raw" / "a" / "<i>two.png")
    for i in range(5):
        (tmp_path / "raw" / "a" / f"broken{i}.png").write_bytes(b"text")
    clean(tmp_path / "raw", tmp_path / "out", CleanSettings(labels=False, skip=["blurry"]))
    return tmp_path / "out" / "report.html"


def test_many_cards_come_in_pages(report: Path) -> None:
    page = report.read_text()
    section = page[page.index('id="wrong-format"') :].split("</section>")[0]
    assert re.findall(r"Page \d of \d", section) == ["Page 1 of 3", "Page 2 of 3", "Page 3 of 3"]
    assert section.count("<details") == 3 and section.count("<li") == 5


def test_a_group_stands_side_by_side(report: Path) -> None:
    page = report.read_text()
    section = page[page.index('id="exact-duplicate"') :].split("</section>")[0]
    assert section.count("<li") == 1 and section.count("<img") == 3
    assert [name in section for name in ("a/one.png", "a/one copy.png", "a/one copy 2.png")] == [True] * 3
    assert section.count("class a, kept") == 1
    section = page[page.index('id="conflicting-label"') :].split("</section>")[0]
    assert "class a" in section and "class b" in section and "&lt;i&gt;two.png" in section
    assert section.count("<img") == 2 and section.count("<li") == 1


def test_a_browser_shows_it(report: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium")
    shot = tmp_path / "page.png"
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [chromium, *words, "--window-size=1000,2000", f"--screenshot={shot}", report.as_uri()],
        capture_output=True,
        timeout=100,
    )
    assert done.returncode == 0
    pixels = cv2.imread(str(shot))
    assert pixels is not None and pixels.std() > 5


def test_doubtful_labels_are_shown_though_they_are_kept(tmp_path: Path) -> None:
    """Digits of which one in fifteen stands in another class's folder."""
    digits = load_digits()
    for i, (pixels, label) in enumerate(zip(digits.images[:450], digits.target[:450], strict=True)):
        folder = tmp_path / "raw" / str((label + 1) % 10 if i % 15 == 0 else label)
        folder.mkdir(parents=True, exist_ok=True)
        big = cv2.resize((255 - 15 * pixels).astype(np.uint8), (32, 32), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{i}.png"), big)
    clean(tmp_path / "raw", tmp_path / "out", CleanSettings(skip=["near-duplicate", "low-information"]))
    page = (tmp_path / "out" / "report.html").read_text()
    section = page[page.index('<section id="doubtful-label"') :].split("</section>")[0]
    assert "looks like" in section and ", kept" in section and "--apply review.csv" in section
    review = (tmp_path / "out" / "review.csv").read_text()
    assert section.count("<li") <= review.count("looks like")
