"""Training from an LMDB: against training on synthetic data, and `caffekit`'s workers with both engines."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import data_path
from prepare import call, photos

ITERATIONS = 200


def training(folder: Path, template: str) -> Callable[[int], tuple[float, float]]:
    """Training of a template from an LMDB of 32x32 images: images/s of the embedded engine and of Caffe."""
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

    def turns(turn: int) -> tuple[float, float]:
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


TRAININGS = {"LeNet": "lenet", "cifar10_quick": "cifar10_quick"}

TEXT = """## From the database

The speed of training from an LMDB in that of training on synthetic data, caffekit's own, taking turns.

| net | from LMDB | synthetic | ratio | of processor time | loading alone |
|---|---|---|---|---|---|
{data}

Whole trainings as `caffekit train` runs them, from an LMDB of 32x32 images, batch 64, in images/s:

| net | caffekit | real Caffe | ratio |
|---|---|---|---|
{trainings}
"""


def section(rounds: int, _: float) -> str:
    """What `scripts/bench` writes into the page: medians over `rounds` in which the two take turns."""
    data = [data_row(net) for net in ("caffenet", "cifar10_quick")]
    trainings = []
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        photos(folder / "raw")
        call(
            sys.executable,
            "-m",
            "caffekit",
            "gen-lmdb",
            "-q",
            folder / "raw",
            "-o",
            folder / "db",
            "--resize",
            "32x32",
        )
        for name, template in TRAININGS.items():
            work = training(folder, template)
            ours, real = (
                statistics.median(side) for side in zip(*(work(t) for t in range(rounds)), strict=True)
            )
            trainings.append(f"| {name} | {ours:.0f} | {real:.0f} | {ours / real:.2f} |")
            print(trainings[-1], flush=True)
    return TEXT.format(data="\n".join(data), trainings="\n".join(trainings))


def data_row(net: str) -> str:
    """The line about the data path."""
    of = data_path.measure(net)
    line = (
        f"| {net} | {of['lmdb']:.4g} | {of['synthetic']:.4g} | {of['ratio']:.2f} | {of['cpu_ratio']:.2f}"
        f" | {of['loading']:.4g} |"
    )
    print(line, flush=True)
    return line
