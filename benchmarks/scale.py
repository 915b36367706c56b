"""Data preparation of ever more images: its peak of memory, and what of the decoding's rate is left.

python benchmarks/scale.py MEASURE WORDS …     one measurement, in a process of its own (JSON)
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

COUNTS = (1_000, 10_000, 100_000)
MILLION = 1_000_000
PHOTOS = 1_500

TEXT = """## Scale

Peak of memory (MiB) of whole commands, for lists of so many images (72x96 JPEG files; augment makes one copy of each).

| command | {counts} |
|---|{rules}|
{memory}

Of a list of a million lines (1000 classes), images not read:

| command | MiB |
|---|---|
{million}

gen-lmdb, raw 256x256 with mean, of {photos} photos of 500x375, against reading, decoding and resizing them alone in
one thread. Processor time is what tells on a machine that others use, too: its share is what all cores together
can reach of their decoding rate. The writing thread's own time per image bounds how many cores can be fed.

| workers | processor time, of decoding | wall time, of cores × decoding | the writing thread, ms per image | decoding, ms per image |
|---|---|---|---|---|
{scaling}

Below 0.85: beside decoding (1.36 ms) an image takes 0.15 ms for copying and writing its pages, 0.05 to 0.1 for the
mean's sums and 0.06 for its record, and 1,500 images are done in two seconds, of which the start takes half a one.
"""


def command(*words: str) -> dict[str, float]:
    """Run a caffekit command here; its peak of memory in MiB. RuntimeError when it fails."""
    import caffekit.cli

    try:
        caffekit.cli.main([*words, "-q"])
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"caffekit {' '.join(words)}: exit {end.code}") from end
    return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def decoding(folder: str) -> dict[str, float]:
    """Read, decode and resize the images of a folder in one thread; seconds per image."""
    from caffekit.config.schema import GenLmdbSettings
    from caffekit.config.values import Size
    from caffekit.formats.image_list import read_source
    from caffekit.steps.gen_lmdb import contract_of

    images, contract = read_source(Path(folder)), contract_of(GenLmdbSettings(resize=Size(256, 256)))
    return _timed(len(images.items), lambda: [_read(contract, images.file(item)) for item in images.items])


def gen_lmdb(folder: str, out: str, workers: str) -> dict[str, float]:
    """Make the database; seconds per image."""
    from caffekit.config.schema import GenLmdbSettings
    from caffekit.config.values import Size
    from caffekit.options import Options
    from caffekit.steps.gen_lmdb import gen_lmdb as step

    settings, options = GenLmdbSettings(resize=Size(256, 256)), Options(workers=int(workers), quiet=True)
    count = sum(1 for _ in Path(folder).glob("*/*"))
    return _timed(count, lambda: step(Path(folder), Path(out), settings, options))


MEASURES: dict[str, Callable[..., dict[str, float]]] = {
    "command": command, "decoding": decoding, "gen_lmdb": gen_lmdb,
}  # fmt: skip


def _read(contract: object, path: Path) -> None:
    contract.read_image(path.read_bytes())  # type: ignore[attr-defined]


def _timed(count: int, work: Callable[[], object]) -> dict[str, float]:
    """Seconds per image: wall, of all processors, of this thread."""
    import cv2

    from caffekit.memory import keep_pages

    cv2.setNumThreads(1)
    keep_pages()
    clocks = {"wall": time.perf_counter, "cpu": time.process_time, "thread": time.thread_time}
    start = {name: clock() for name, clock in clocks.items()}
    work()
    return {name: (clock() - start[name]) / count for name, clock in clocks.items()}


def measure(*words: object) -> dict[str, float]:
    """One measurement in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def noise(path: Path, width: int, height: int, seed: int) -> None:
    """A JPEG file that is as hard to decode as a photo."""
    import cv2
    import numpy as np

    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.integers(0, 256, (height // 8, width // 8, 3), np.uint8), (width, height))
    fine = random.integers(-12, 13, coarse.shape)
    cv2.imwrite(str(path), np.clip(coarse + fine, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])


def image_set(folder: Path, count: int, originals: list[Path]) -> Path:
    """`count` names for the originals, in a hundred classes; their list."""
    lines = []
    for i in range(count):
        path = folder / f"images{count}" / f"class_{i % 100:02d}" / f"photo_{i:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[i % len(originals)], path)
        lines.append(f"{path.relative_to(folder)} {i % 100}\n")
    (folder / f"{count}.txt").write_text("".join(lines))
    return folder / f"{count}.txt"


def memory_rows(folder: Path) -> list[str]:
    """The peaks of memory of each command for each number of images."""
    originals = [folder / f"{i}.jpg" for i in range(32)]
    for i, path in enumerate(originals):
        noise(path, 96, 72, i)
    commands = {
        "gen-lmdb": ["--resize", "64x64"],
        "augment": ["--copies", "1", "--rotate", "9", "--set", "augment.encode=jpg"],
        "split": [],
        "balance": ["--method", "oversample"],
    }
    peaks: dict[str, list[float]] = {name: [] for name in commands}
    for count in COUNTS:
        source = image_set(folder, count, originals)
        for name, options in commands.items():
            out = folder / "out"
            peaks[name].append(measure("command", name, source, "-o", out, *options)["memory"])
            shutil.rmtree(out)
        shutil.rmtree(folder / f"images{count}")
    return [
        f"| {name} | " + " | ".join(f"{peak:.0f}" for peak in each) + " |" for name, each in peaks.items()
    ]


def million_rows(folder: Path) -> list[str]:
    """The peaks of memory for a list of a million lines."""
    source = folder / "million.txt"
    with open(source, "w") as file:
        file.writelines(f"images/class_{i % 1000:04d}/photo_{i:07d}.jpg {i % 1000}\n" for i in range(MILLION))
    commands = {"split": [], "balance": ["--method", "oversample"], "gen-lmdb": ["--dry-run"]}
    rows = []
    for name, options in commands.items():
        peak = measure("command", name, source, "-o", folder / f"million-{name}", *options)["memory"]
        rows.append(f"| {' '.join([name, *options])} | {peak:.0f} |")
    return rows


def scaling_rows(folder: Path, rounds: int) -> list[str]:
    """gen-lmdb by one worker and by one per core, against decoding alone, taking turns."""
    photos = folder / "photos/a"
    photos.mkdir(parents=True)
    for i in range(PHOTOS):
        noise(photos / f"{i:04d}.jpg", 500, 375, i)
    cores = len(os.sched_getaffinity(0))
    turns: list[dict[int, dict[str, float]]] = []
    for _ in range(rounds):
        turn = {0: measure("decoding", photos.parent)}
        for workers in dict.fromkeys((1, cores)):
            turn[workers] = measure("gen_lmdb", photos.parent, folder / "db", workers)
            for path in folder.glob("db*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        turns.append(turn)
    rows = []
    for workers in dict.fromkeys((1, cores)):
        busy = statistics.median(turn[0]["cpu"] / turn[workers]["cpu"] for turn in turns)
        wall = statistics.median(turn[0]["wall"] / turn[workers]["wall"] / workers for turn in turns)
        writing = statistics.median(turn[workers]["thread"] for turn in turns) * 1e3
        alone = statistics.median(turn[0]["cpu"] for turn in turns) * 1e3
        rows.append(f"| {workers} | {busy:.2f} | {wall:.2f} | {writing:.2f} | {alone:.2f} |")
    return rows


def section(rounds: int = 3, seconds: float = 0) -> str:
    """The Markdown of this part of docs/benchmarks.md."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = {
            "scaling": scaling_rows(folder, rounds),
            "million": million_rows(folder),
            "memory": memory_rows(folder),
        }
    return TEXT.format(
        counts=" | ".join(f"{count:,}" for count in COUNTS),
        rules="|".join("---" for _ in COUNTS),
        photos=PHOTOS,
        **{key: "\n".join(rows) for key, rows in parts.items()},
    )


if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](*sys.argv[2:])))
