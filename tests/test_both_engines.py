"""The same worker trains the demo's LeNet in real Caffe and in the embedded engine, to the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

import caffekit.pycaffe as caffe
from caffekit.config import load_settings, shipped
from caffekit.engines import find_engine
from caffekit.engines.job import Job
from caffekit.formats.datum import image_datum
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.formats.preprocess import Preprocess, preprocess_path
from caffekit.formats.prototxt import read_solver, write_prototxt
from caffekit.formats.weights import blob_array, read_caffemodel, read_solverstate
from caffekit.options import Options
from caffekit.steps.gen_prototxt import gen_prototxt

ITERATIONS = 50


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The demo's LeNet on 800 digits, without dropout, and initial weights."""
    folder = tmp_path_factory.mktemp("parity")
    digits = load_digits()
    for side, chosen in (("train", slice(0, 600)), ("val", slice(600, 800))):
        images = [cv2.resize(d, (32, 32), interpolation=cv2.INTER_CUBIC) for d in digits.images[chosen] * 16]
        pixels = [np.clip(image, 0, 255).astype(np.uint8)[..., None] for image in images]
        records = [
            (b"%08d" % i, image_datum(image, int(label)).SerializeToString())
            for i, (image, label) in enumerate(zip(pixels, digits.target[chosen], strict=True))
        ]
        write_lmdb(folder / f"{side}_lmdb", records)
    contract = Preprocess(channels=1, color="gray", width=32, height=32, mean_values=[78.0], scale=0.01)
    contract.write(preprocess_path(folder / "train_lmdb"))
    wishes = {"max_iter": ITERATIONS, "display": 1, "test_interval": 25, "snapshot": 25, "random_seed": 1}
    settings = load_settings(shipped("configs", "digits.yaml"), (), {"solver": wishes})
    gen_prototxt(
        folder / "net", settings, Options(), train_db=folder / "train_lmdb", test_db=folder / "val_lmdb"
    )
    solver = folder / "net" / "solver.prototxt"
    caffe.get_solver(solver).net.save(str(folder / "init.caffemodel"))
    return Job(solver, read_solver(solver), weights=(folder / "init.caffemodel",))


def train(job: Job, engine: str, folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """The worker's events; snapshots go to folder/s_iter_N."""
    folder.mkdir()
    param = type(job.param)()
    param.CopyFrom(job.param)
    param.snapshot_prefix = str(folder / "s")
    write_prototxt(folder / "solver.prototxt", param)
    events: list[dict[str, Any]] = []
    job = replace(job, solver=folder / "solver.prototxt", param=param, **changes)
    outcome = find_engine(engine).run(job, lambda event: events.append(event), folder / "caffe.log")
    assert outcome.reason == "done", outcome
    return events


def column(events: list[dict[str, Any]], kind: str, *path: str) -> list[Any]:
    chosen = [event for event in events if event["event"] == kind]
    for key in path:
        chosen = [event[key] for event in chosen]
    return chosen


@pytest.mark.bvlc
def test_equal_losses_and_exchanged_models(job: Job, bvlc: Path, tmp_path: Path) -> None:
    ours, real = train(job, "embedded", tmp_path / "e"), train(job, "bvlc", tmp_path / "b")
    assert len(column(ours, "display")) == ITERATIONS
    for key in (["loss"], ["lr"], ["grad_norm"], ["weight_norm"]):
        want = np.array(column(real, "display", *key))
        off = np.abs(np.array(column(ours, "display", *key)) / want - 1)
        # Where two values of a pooling window differ by rounding only, each engine may take another one: from
        # there on the trainings are equal in all but the last digits (so are two of one engine's, on 1 and 2
        # cores). Not so in the beginning.
        assert np.median(off[:20]) <= 1e-4, (key, off)
        assert off.max() <= 1e-2, (key, off)
    assert column(ours, "test", "outputs", "accuracy") == column(real, "test", "outputs", "accuracy")
    np.testing.assert_allclose(
        column(ours, "test", "outputs", "loss"), column(real, "test", "outputs", "loss"), rtol=1e-3
    )
    _each_reads_the_others(job, tmp_path)


def _each_reads_the_others(job: Job, folder: Path) -> None:
    """From the other's snapshot at 25, each engine goes on to what it reached by itself at 50."""
    for mine, theirs in (("embedded", "b"), ("bvlc", "e")):
        state = folder / theirs / "s_iter_25.solverstate"
        skip = {"data": 25 % (600 // 8)}  # 600 records in batches of 64: the cycle is 75 batches
        events = train(job, mine, folder / f"{mine}-from-{theirs}", weights=(), restore=state, skip=skip)
        assert column(events, "display", "iter")[0] == 25
        for suffix, read in (("caffemodel", read_caffemodel), ("solverstate", read_solverstate)):
            got, want = (read(folder / f / f"s_iter_50.{suffix}") for f in (f"{mine}-from-{theirs}", theirs))
            for one, other in zip(_arrays(got), _arrays(want), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def _arrays(message: Any) -> list[np.ndarray]:
    if hasattr(message, "history"):
        return [blob_array(blob) for blob in message.history]
    return [blob_array(blob) for layer in message.layer for blob in layer.blobs]


def test_the_embedded_engine_learns(job: Job, tmp_path: Path) -> None:
    events = train(job, "embedded", tmp_path / "e")
    assert column(events, "test", "outputs", "accuracy")[-1][0] > 0.8
    assert events[0]["event"] == "start"
    assert events[-1]["reason"] == "done"
    assert [event["iter"] for event in events if event["event"] == "snapshot"] == [25, 50]
