"""A training by several processes through the worker: one result, one log; one failure, told in its words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffekit.engines import Engine, find_engine
from caffekit.formats.blobs import blob_array
from caffekit.formats.datum import image_datum
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.formats.weights import read_caffemodel

from . import tiny


@pytest.fixture(scope="module")
def embedded() -> Engine:
    return find_engine("embedded")


def final(folder: Path) -> list[np.ndarray]:
    net = read_caffemodel(folder / "tiny_iter_12.caffemodel")
    return [blob_array(blob) for layer in net.layer for blob in layer.blobs]


def halve(folder: Path) -> Path:
    """A solver in `folder` whose training batch is half of tiny's 6."""
    solver = tiny.make(folder, max_iter=12, snapshot=6)
    net = folder / "net.prototxt"
    net.write_text(net.read_text().replace("batch_size: 6", "batch_size: 3"))
    return solver


def test_two_processes_equal_one_with_the_summed_batch(embedded: Engine, tmp_path: Path) -> None:
    """Resumed halfway, too: then both go on in their share of the records."""
    outcome, _ = tiny.run(embedded, tiny.make(tmp_path / "one", max_iter=12, snapshot=6))
    assert outcome.reason == "done", outcome.message
    outcome, seen = tiny.run(embedded, halve(tmp_path / "two"), also=(None,))
    assert outcome.reason == "done", outcome.message
    assert seen.of("start")[0]["batch_size"] == tiny.BATCH
    assert [event["iter"] for event in seen.of("snapshot")] == [6, 12]
    for mine, theirs in zip(final(tmp_path / "two"), final(tmp_path / "one"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    state = tmp_path / "two" / "tiny_iter_6.solverstate"
    outcome, _ = tiny.run(embedded, halve(tmp_path / "two"), also=(None,), restore=state, skip={"data": 6})
    assert outcome.reason == "done", outcome.message
    for mine, theirs in zip(final(tmp_path / "two"), final(tmp_path / "one"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_stop_ends_all(embedded: Engine, tmp_path: Path) -> None:
    solver = halve(tmp_path)
    outcome, _ = tiny.run(
        embedded, solver, lambda event: "stop" if event["event"] == "display" else None, also=(None,)
    )
    assert outcome.reason == "stopped"
    assert list(tmp_path.glob("tiny_iter_*.solverstate"))


def test_a_failure_of_one_is_told_in_its_words(embedded: Engine, tmp_path: Path) -> None:
    """Record 5 is the second process's; its label is not a class of the net."""
    solver = halve(tmp_path)
    images = np.zeros((8, 5, 5, 1), np.uint8)
    records = [
        (b"%08d_x" % i, image_datum(image, 7 if i == 5 else i % 4).SerializeToString())
        for i, image in enumerate(images)
    ]
    write_lmdb(tmp_path / "bad", records)
    net = tmp_path / "net.prototxt"
    net.write_text(net.read_text().replace(str(tmp_path / "db"), str(tmp_path / "bad"), 1))
    outcome, _ = tiny.run(embedded, solver, also=(None,))
    assert outcome.reason == "error"
    assert outcome.message.startswith("process 1 of those that train along: ")
    assert "label 7" in outcome.message and "Error: layer 'loss'" in outcome.message
