"""Which snapshots training may go on from, and which may be deleted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffekit.formats.caffe_pb2 import NetParameter, SolverState
from caffekit.formats.weights import to_blob, write_caffemodel, write_solverstate
from caffekit.runs import discard_after, find_snapshots, newest_valid, prune, snapshot_of


def take(folder: Path, iteration: int, value: float = 1.0) -> None:
    blob = to_blob(np.array([value], np.float32))
    net = NetParameter()
    net.layer.add(name="ip", type="InnerProduct").blobs.append(blob)
    model = folder / f"x_iter_{iteration}.caffemodel"
    write_caffemodel(model, net)
    state = SolverState(iter=iteration, learned_net=str(model))
    state.history.append(blob)
    write_solverstate(folder / f"x_iter_{iteration}.solverstate", state)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for iteration in (2, 4, 6, 8, 10):
        take(tmp_path, iteration)
    return tmp_path


def iterations(folder: Path) -> list[int]:
    return [snapshot.iter for snapshot in find_snapshots(folder)]


def test_they_are_ordered_by_number(folder: Path) -> None:
    assert iterations(folder) == [2, 4, 6, 8, 10]
    assert snapshot_of(folder / "other.solverstate") is None


def test_the_newest_that_is_whole_and_finite(folder: Path) -> None:
    (folder / "x_iter_10.caffemodel").write_bytes((folder / "x_iter_10.caffemodel").read_bytes()[:-3])
    take(folder, 8, float("nan"))
    (folder / "x_iter_6.caffemodel").unlink()
    snapshot, passed_over = newest_valid(folder)
    assert snapshot and snapshot.iter == 4
    assert [text.split(":")[0] for text in passed_over] == [f"snapshot at iteration {i}" for i in (10, 8, 6)]
    assert "finite" in passed_over[1] and "missing" in passed_over[2]


def test_none_is_left(tmp_path: Path) -> None:
    assert newest_valid(tmp_path) == (None, [])


def test_pruning_keeps_the_last_the_best_and_the_last_healthy(folder: Path) -> None:
    assert prune(folder, keep_last=1, keep=[2], last_healthy=7) == [4, 8]
    assert iterations(folder) == [2, 6, 10]
    assert not (folder / "x_iter_4.caffemodel").exists()


def test_nothing_goes_while_nothing_is_known_to_be_healthy(folder: Path) -> None:
    assert prune(folder, keep_last=1, keep=[], last_healthy=None) == []
    assert prune(folder, keep_last=1, keep=[], last_healthy=1) == []


def test_nothing_goes_while_the_newest_is_not_whole(folder: Path) -> None:
    (folder / "x_iter_10.solverstate").write_bytes(b"\x08")
    assert prune(folder, keep_last=1, keep=[], last_healthy=10) == []


def test_what_came_after_the_rollback_goes(folder: Path) -> None:
    discard_after(folder, 6)
    assert iterations(folder) == [2, 4, 6]
    discard_after(folder, -1)
    assert iterations(folder) == []
