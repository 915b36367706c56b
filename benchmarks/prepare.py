"""Data preparation against real Caffe's own tools, and augmentation against albumentations.

CAFFEKIT_RIVALS names a Python that has albumentations and OpenCV (a virtual environment of its own).
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from augmenting import LISTS

BVLC = Path(__file__).resolve().parent.parent / ".bvlc-caffe"
CAFFEKIT = [sys.executable, "-m", "caffekit"]
IMAGES = 1500

TEXT = """## Data preparation

{images} JPEG files of 300x260, each under several names; wall time, start included, on all cores, of which
Caffe's tools use one.

| what (images/s) | caffekit | real Caffe | ratio | of processor time |
|---|---|---|---|---|
{rows}

Files taken over: JPEG files become records as they are, which convert_imageset decodes nonetheless; by default
caffekit reads all of their entropy code, to find damaged ones.

Where a goal (2 for gen-lmdb, 10 for files taken over, 3 for augmentation) is missed: looking through a JPEG file
means reading its entropy code, which takes 340 of 450 µs; the mean of an LMDB is a second's work, half of it
Python's start; lists of geometry and colour alone end in one call of OpenCV's warpAffine and transform on both
sides, and from file to file in libjpeg.

Augmentation, 224x224: images per second of one core's processor time, from array to array, or from the bytes of a
JPEG file to those of another (the coder is the same for both).

| transforms | caffekit | albumentations | ratio |
|---|---|---|---|
{augment}
"""
NO_RIVAL = "| CAFFEKIT_RIVALS names no Python with albumentations: not measured | | | |"


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


def longer_list(folder: Path, times: int) -> Path:
    """A list of `times` as many images: each has further names."""
    lines = (folder / "list.txt").read_text().splitlines()
    for number in range(1, times):
        place = folder / "raw" / str(number)
        place.mkdir(exist_ok=True)
        for path in (folder / "raw").glob("[01]/????.jpg"):
            link = place / f"{path.parent.name}-{path.name}"
            if not link.exists():
                os.link(path, link)
    more = [f"{n}/{line.replace('/', '-')}" for n in range(1, times) for line in lines]
    path = folder / f"list{times}.txt"
    path.write_text("\n".join(lines + more) + "\n")
    return path


def clocks() -> list[float]:
    """Seconds on the wall, and of processor time of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [time.monotonic(), used.ru_utime + used.ru_stime]


def call(*words: object) -> None:
    """Run a command quietly; an error ends the benchmark."""
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def against(ours: Sequence[object], *real: Sequence[object]) -> list[float]:
    """Seconds of our command and of the others' in a row, on the wall; then the same of processor time.

    What they write, out… in the list's folder, is removed after each.
    """
    seconds = []
    for commands in ([[*CAFFEKIT, *ours]], real):
        os.sync()
        start = clocks()
        for command in commands:
            call(*command)
        seconds.append([after - before for before, after in zip(start, clocks(), strict=True)])
        written = Path(str(commands[0][-1]))
        for path in written.parent.glob("out*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [side[clock] for clock in (0, 1) for side in seconds]


def comparisons(folder: Path) -> dict[str, tuple[int, Callable[[], list[float]]]]:
    """What is compared: how many images, and one turn of both."""
    lists = {times: longer_list(folder, times) for times in (2, 4, 12)}
    raw, out = f"{folder / 'raw'}/", folder / "out"
    size = ["--resize_width", "256", "--resize_height", "256"]
    gen = ["gen-lmdb", "-q", "--no-shuffle", "--root", raw]
    call(*CAFFEKIT, "gen-lmdb", "-q", lists[4], "--root", raw, "-o", folder / "db", "--resize", "256x256")
    encoded = [BVLC / "convert_imageset", "--encoded", "--encode_type", "jpg", raw, lists[12], out]
    return {
        "gen-lmdb: JPEG → raw 256x256, with mean": (2 * IMAGES, lambda: against(
            [*gen, lists[2], "--resize", "256x256", "-o", out],
            [BVLC / "convert_imageset", *size, raw, lists[2], out],
            [BVLC / "compute_image_mean", out, f"{out}.mean"],
        )),
        "gen-lmdb: files taken over, looked through": (12 * IMAGES, lambda: against(
            [*gen, lists[12], "--encode", "jpg", "--no-mean", "-o", out], encoded
        )),
        "gen-lmdb: files taken over (`--no-verify`)": (12 * IMAGES, lambda: against(
            [*gen, lists[12], "--encode", "jpg", "--no-mean", "--no-verify", "-o", out], encoded
        )),
        "mean of an LMDB, raw 256x256": (4 * IMAGES, lambda: against(
            ["mean", "-q", folder / "db", "-o", out],
            [BVLC / "compute_image_mean", folder / "db", out],
        )),
    }  # fmt: skip


def augmenting(rival: str, folder: Path, what: str, kind: str, seconds: float) -> float:
    """Images/s of one rival, in an interpreter of its own."""
    python = sys.executable if rival == "caffekit" else os.environ["CAFFEKIT_RIVALS"]
    script = str(Path(__file__).with_name("augmenting.py"))
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "OMP_NUM_THREADS": "1"}
    words = [python, "-W", "ignore", script, rival, str(folder), what, kind, str(seconds)]
    done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def augment_rows(folder: Path, rounds: int) -> list[str]:
    """The lines about augmentation."""
    if not os.environ.get("CAFFEKIT_RIVALS"):
        return [NO_RIVAL]
    rows = []
    for what, kind in [*((what, "array") for what in LISTS), (next(iter(LISTS)), "file")]:
        turns = [
            [augmenting(rival, folder, what, kind, 0.5) for rival in ("caffekit", "albumentations")]
            for _ in range(rounds)
        ]
        rows.append(row(f"{what}{', files' if kind == 'file' else ''}", turns))
    return rows


def row(what: str, speeds: Sequence[Sequence[float]]) -> str:
    """A line: the medians of both sides and their ratio; of further pairs of columns, the ratios."""
    medians = [statistics.median(column) for column in zip(*speeds, strict=True)]
    ratios = [f"{ours / theirs:.2f}" for ours, theirs in zip(medians[::2], medians[1::2], strict=True)]
    line = f"| {what} | {medians[0]:.0f} | {medians[1]:.0f} | {' | '.join(ratios)} |"
    print(line, flush=True)
    return line


def section(rounds: int, _: float) -> str:
    """What `scripts/bench` writes into the page: medians over `rounds` in which the rivals take turns."""
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        photos(folder / "raw")
        rows = []
        for what, (images, turn) in comparisons(folder).items():
            rows.append(row(what, [[images / seconds for seconds in turn()] for _ in range(rounds)]))
        augment = augment_rows(folder / "raw", rounds)
    return TEXT.format(images=IMAGES, rows="\n".join(rows), augment="\n".join(augment))
