"""`clean`: speed against CleanVision and imagededup, memory by the number of images, and what it finds.

CLEAN_RIVALS: a Python that has cleanvision and imagededup. CAFFEKIT_SHARED: the folder with real image sets.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from caffekit.checks import changed
from caffekit.checks.measure import measure
from caffekit.checks.table import Table

SHARED = Path(os.environ.get("CAFFEKIT_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
PHOTOS, FEW, HASHES, SIZES, ORIGINALS = 1000, 20, 1_000_000, (1_000, 10_000, 100_000), 300

TEXT = """## clean

{speed}

Near duplicates among {hashes:,} 64-bit hashes within 8 bits, exactly: {seconds:.0f} s and {megabytes:.0f} MB at most.

Peak memory of the command, with the label check off, in MB: {memory}.

Changed copies of benchmark images that are found, {variants}

"""

JOIN = """
import json, resource, time
import numpy as np
from caffekit.checks.hamming import pairs_within
random = np.random.default_rng(0)
hashes = random.integers(0, 2**64, {count}, np.uint64)
planted = hashes[:1000] ^ np.uint64(0b101010101111)
hashes[-1000:] = planted
start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = [p for i, j in pairs_within(hashes, 8) for p in zip(i.tolist(), j.tolist())]
assert sum(j - i == {count} - 1000 for i, j in found) == 1000
print(json.dumps([time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""

# imagededup imports networks and so torch, which its pHash does not need.
RIVALS = """
import json, resource, sys
from unittest.mock import MagicMock
for name in ("torchvision", "torchvision.transforms", "methods.cnn", "utils.models", "utils.data_generator"):
    sys.modules[name if name.startswith("torch") else "imagededup." + name] = MagicMock()
def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
from cleanvision import Imagelab
from imagededup.methods import PHash
start = cpu()
Imagelab(data_path=sys.argv[1]).find_issues(n_jobs=1, verbose=False)
middle = cpu()
hasher = PHash(verbose=False)
hasher.find_duplicates(encoding_map=hasher.encode_images(image_dir=sys.argv[1]), max_distance_threshold=8)
print(json.dumps([middle - start, cpu() - middle]))
"""

CLEAN = """
import json, os, resource, sys
from pathlib import Path
from caffekit.config.schema import CleanSettings
from caffekit.options import Options
from caffekit.steps.clean import clean
clean(Path(sys.argv[1]), Path(sys.argv[2]), CleanSettings(labels=False, min_size=16), Options(quiet=True))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


def run(python: str, script: str, *words: object) -> tuple[float | list[float], float]:
    """What a script prints last, and the processor seconds of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [python, "-c", script, *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout.splitlines()[-1]), used


def photos(folder: Path, count: int, side: int) -> None:
    """Parts of scikit-learn's two photographs, each brightened or mirrored in its own way, in ten folders."""
    import sklearn.datasets

    paths = sorted((Path(sklearn.datasets.__file__).parent / "images").glob("*.jpg"))
    originals = [cv2.imread(str(path)) for path in paths]
    random = np.random.default_rng(0)
    for i in range(count):
        photo = originals[i % 2]
        part = random.integers(300, 420)
        y, x = random.integers(0, photo.shape[0] - part), random.integers(0, photo.shape[1] - part)
        piece = cv2.resize(photo[y : y + part, x : x + part], (side, side), interpolation=cv2.INTER_AREA)
        piece = cv2.convertScaleAbs(piece[:, :: random.choice([-1, 1])], alpha=random.uniform(0.7, 1.2))
        (folder / str(i % 10)).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / str(i % 10) / f"{i}.jpg"), piece, [cv2.IMWRITE_JPEG_QUALITY, 92])


def speed(folder: Path, rounds: int) -> str:
    """Processor seconds of both for the same photos, in turns."""
    rival = os.environ.get("CLEAN_RIVALS", "")
    if not rival:
        return "Not compared with CleanVision and imagededup: CLEAN_RIVALS names no Python that has them."
    photos(folder / "photos", PHOTOS, 400)
    photos(folder / "few", FEW, 400)
    flat = folder / "flat"  # imagededup looks into one folder
    flat.mkdir()
    for path in (folder / "photos").rglob("*.jpg"):
        os.link(path, flat / path.name)
    turns = []
    for turn in range(rounds):
        (vision, hashes), _ = run(rival, RIVALS, flat)  # type: ignore[misc]
        _, ours = run(sys.executable, CLEAN, folder / "photos", folder / f"out{turn}")
        _, start = run(sys.executable, CLEAN, folder / "few", folder / f"few{turn}")
        turns.append((vision, hashes, (ours - start) * PHOTOS / (PHOTOS - FEW), start))
    vision, hashes, ours, start = (statistics.median(column) for column in zip(*turns, strict=True))
    ratio = statistics.median((v + h) / o for v, h, o, _ in turns)
    return (
        f"Processor seconds for {PHOTOS} photos of 400x400: CleanVision's default checks {vision:.1f} and "
        f"imagededup's pHash {hashes:.1f}; `clean --no-labels` {ours:.1f}: **{ratio:.1f}×**. Without imports and "
        f"start, which take `clean` {start:.1f} s in its three processes."
    )


def memory(folder: Path) -> str:
    """Peak MB of `clean` by the number of images."""
    told = []
    for size in SIZES:
        photos(folder / f"set{size}", size, 64)
        peak, _ = run(sys.executable, CLEAN, folder / f"set{size}", folder / f"cleaned{size}")
        told.append(f"{peak:.0f} for {size:,} images")
    return ", ".join(told)


def cut(image: np.ndarray, area: float, at: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """A part of that share of the area; at: where between the edges."""
    height, width = image.shape[:2]
    rows, columns = int(height * area**0.5), int(width * area**0.5)
    top, left = int(at[0] * (height - rows)), int(at[1] * (width - columns))
    return image[top : top + rows, left : left + columns]


def turn(image: np.ndarray, degrees: float) -> np.ndarray:
    """Turned about its middle, black outside."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)))


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "mirrored": lambda image, _: image[:, ::-1],
    "centre crop, side 0.8": lambda image, _: cut(image, 0.64),
    "crop anywhere, 0.6 to 0.95 of the area": lambda image, r: cut(image, r.uniform(0.6, 0.95), r.random(2)),
    "border of 10 %": lambda image, _: cv2.copyMakeBorder(image, 15, 15, 15, 15, cv2.BORDER_CONSTANT),
    "turned by 5 degrees": lambda image, _: turn(image, 5),
    "turned by 10 degrees": lambda image, _: turn(image, -10),
}


def variants(folder: Path) -> str:
    """The share of changed copies found, and what else was."""
    paths = sorted((SHARED / "trashnet150").rglob("*.jpg"))
    if not paths:
        return "not measured: CAFFEKIT_SHARED names no folder with TrashNet."
    paths = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[: 3 * ORIGINALS]]
    bench = [measure(str(path), True) for path in paths[:ORIGINALS]]
    others = [measure(str(path)) for path in paths[ORIGINALS:]]
    lines = ["| change | found |", "|---|---|"]
    for name, change in {"(none of them is in the set)": None, **CHANGES}.items():
        random, copies = np.random.default_rng(0), []
        for i, path in enumerate(paths[:100] if change else []):
            image = np.ascontiguousarray(change(cv2.imread(str(path)), random))  # type: ignore[misc]
            cv2.imwrite(str(folder / f"copy{i}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 85])
            copies.append(measure(str(folder / f"copy{i}.jpg")))
        count = len(copies) + len(others)
        table = Table.of([*copies, *others], bench)
        first, last = np.arange(count, count + ORIGINALS), np.arange(count)
        hits = list(changed.changed_copies(table, first, last, 8, 0.027))
        right = sum(hit.benchmark == count + hit.image for hit in hits if hit.image < len(copies))
        lines.append(f"| {name} | {f'{right} of 100' if change else f'{len(hits)} of {len(others)}'} |")
    return f"of {ORIGINALS} of TrashNet's photos among {len(others)} others:\n\n" + "\n".join(lines)


def section(rounds: int, seconds: float) -> str:
    """The page's section about clean."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (taken, peak), _ = run(sys.executable, JOIN.replace("{count}", str(HASHES)))  # type: ignore[misc]
        return TEXT.format(
            speed=speed(folder, min(rounds, 3)),
            hashes=HASHES,
            seconds=taken,
            megabytes=peak,
            memory=memory(folder),
            variants=variants(folder),
        )
