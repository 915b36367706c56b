"""Tools and whole trainings against real Caffe's: gen-lmdb, and `caffekit`'s workers with both engines."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

BVLC = Path(__file__).resolve().parent.parent / ".bvlc-caffe"
IMAGES = 1500
ITERATIONS = 200


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


def training(folder: Path, template: str) -> Callable[[Path, int], tuple[float, float]]:
    """Training of a template from an LMDB of 32x32 images: images/s of the embedded engine, and of real Caffe."""
    from caffekit.config import load_settings
    from caffekit.engines import find_engine
    from caffekit.engines.job import Job
    from caffekit.formats.prototxt import read_solver
    from caffekit.options import Options
    from caffekit.steps.gen_prototxt import gen_prototxt

    wishes = {"max_iter": ITERATIONS, "display": 20, "test_initialization": False, "batch_size": 64}
    wishes |= {"test_interval": 10 * ITERATIONS, "snapshot": 10 * ITERATIONS, "snapshot_after_train": False}
    settings = load_settings(None, (), {"net": {"template": template}, "solver": wishes})
    gen_prototxt(folder / template, settings, Options(), train_db=folder / "db", test_db=folder / "db")
    solver = folder / template / "solver.prototxt"
    job = Job(solver, read_solver(solver))

    def turns(_: Path, turn: int) -> tuple[float, float]:
        speeds = []
        for name in ("embedded", "bvlc"):
            seconds: list[float] = []
            engine = find_engine(name)
            engine.run(
                replace(job),
                lambda event, seen=seconds: (
                    seen.append(event["seconds"]) if event["event"] == "display" else None
                ),
                folder / f"{template}-{name}-{turn}.log",
            )
            speeds.append(20 * 64 / statistics.median(seconds[2:]))
        return speeds[0], speeds[1]

    return turns


def rows(folder: Path, rounds: int) -> list[str]:
    """A line of the page for each comparison: medians over `rounds` in which the two take turns."""
    photos(folder / "raw")
    caffekit = [sys.executable, "-m", "caffekit", "gen-lmdb", "-q"]
    call(*caffekit, folder / "raw", "-o", folder / "db", "--resize", "32x32")
    works = {
        "gen-lmdb: JPEG → raw 256x256, with mean (images/s)": gen_lmdb,
        "training LeNet, batch 64, from LMDB (images/s)": training(folder, "lenet"),
        "training cifar10_quick, batch 64, from LMDB (images/s)": training(folder, "cifar10_quick"),
    }
    lines = []
    for what, work in works.items():
        pairs = [work(folder, turn) for turn in range(rounds)]
        ours, real = (statistics.median(side) for side in zip(*pairs, strict=True))
        lines.append(f"| {what} | {ours:.0f} | {real:.0f} | {ours / real:.2f} |")
        print(lines[-1], flush=True)
    return lines
