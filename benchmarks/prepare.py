"""`gen-lmdb` against Caffe's own tools."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BVLC = Path(__file__).resolve().parent.parent / ".bvlc-caffe"
IMAGES = 1500

TEXT = """## Data preparation

| what | caffekit | real Caffe | ratio |
|---|---|---|---|
{rows}
"""


def photos(folder: Path) -> None:
    """Crops of scikit-learn's two photographs as JPEG files of 300x260, in two class folders."""
    import cv2
    import numpy as np
    import sklearn.datasets

    originals = sorted((Path(sklearn.datasets.__file__).parent / "images").glob("*.jpg"))
    random = np.random.default_rng(0)
    for label, photo in enumerate(cv2.imread(str(path)) for path in originals):
        (folder / str(label)).mkdir(parents=True)
        for i in range(IMAGES // 2):
            y, x = random.integers(0, photo.shape[0] - 260), random.integers(0, photo.shape[1] - 300)
            cv2.imwrite(str(folder / str(label) / f"{i:04d}.jpg"), photo[y : y + 260, x : x + 300])
    names = sorted(path.relative_to(folder) for path in folder.glob("*/*.jpg"))
    (folder.parent / "list.txt").write_text("".join(f"{name} {name.parts[0]}\n" for name in names))


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of `work`."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def call(*words: object) -> None:
    """Run a command quietly; an error ends the benchmark."""
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def gen_lmdb(folder: Path, turn: int) -> tuple[float, float]:
    """Raw 256x256 records and their mean: images/s of gen-lmdb, and of Caffe's two tools."""
    caffekit = [sys.executable, "-m", "caffekit", "gen-lmdb", "-q", "--no-shuffle", "--resize", "256x256"]
    ours = timed(
        lambda: call(*caffekit, folder / "list.txt", "--root", folder / "raw", "-o", folder / f"o{turn}")
    )
    size = ["--resize_width", "256", "--resize_height", "256"]
    real = timed(
        lambda: (
            call(
                BVLC / "convert_imageset",
                *size,
                f"{folder / 'raw'}/",
                folder / "list.txt",
                folder / f"r{turn}",
            ),
            call(BVLC / "compute_image_mean", folder / f"r{turn}", folder / f"r{turn}.binaryproto"),
        )
    )
    return IMAGES / ours, IMAGES / real


def section(rounds: int, _: float) -> str:
    """What `scripts/bench` writes into the page: medians over `rounds` in which the two take turns."""
    works = {"gen-lmdb: JPEG → raw 256x256, with mean (images/s)": gen_lmdb}
    rows = []
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        photos(folder / "raw")
        for what, work in works.items():
            pairs = [work(folder, turn) for turn in range(rounds)]
            ours, real = (statistics.median(side) for side in zip(*pairs, strict=True))
            rows.append(f"| {what} | {ours:.0f} | {real:.0f} | {ours / real:.2f} |")
            print(rows[-1], flush=True)
    return TEXT.format(rows="\n".join(rows))
