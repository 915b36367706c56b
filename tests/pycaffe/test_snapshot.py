"""Snapshots: exchanged with real Caffe in both directions, written where the solver says, refused clearly."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.errors import DataError, FormatError
from caffekit.formats.weights import (
    blob_array,
    blob_diff,
    read_caffemodel,
    read_solverstate,
    write_solverstate,
)
from caffekit.formats.weights_h5 import read_hdf5

from . import exchange_case

NET = Path(exchange_case.NET).resolve()


@pytest.mark.bvlc
def test_trainings_move_to_real_caffe_and_back(bvlc: Path, tmp_path: Path) -> None:
    """All types and formats: started here or there, ended here or there, the same parameters."""
    script = exchange_case.__file__
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    environment = {**os.environ, "GLOG_minloglevel": "2"}
    exchange_case.start(caffe, str(ours))
    subprocess.run([bvlc, script, "start", theirs], check=True, env=environment)
    ends = []
    for folder in (ours, theirs):
        ends.append(exchange_case.resume(caffe, str(folder)))
        out = tmp_path / f"{folder.name}.npz"
        subprocess.run([bvlc, script, "resume", folder, out], check=True, env=environment)
        with np.load(out) as arrays:
            ends.append(dict(arrays))
    assert len(ends[0]) == 12 * 7
    for other in ends[1:]:
        assert set(other) == set(ends[0])
        for name, values in ends[0].items():
            np.testing.assert_allclose(other[name], values, rtol=1e-4, atol=1e-6, err_msg=name)


def solver_in(folder: Path, options: str = "", net: Path = NET) -> Any:
    path = folder / "solver.prototxt"
    path.write_text(f'net: "{net}" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 {options}')
    return caffe.get_solver(str(path))


def test_files_are_named_after_the_solver(tmp_path: Path) -> None:
    solver_in(tmp_path).snapshot()
    assert (tmp_path / "solver_iter_0.caffemodel").exists()
    (tmp_path / "in").mkdir()
    solver_in(tmp_path, f'snapshot_prefix: "{tmp_path}/in"').snapshot()
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == [
        "solver_iter_0.caffemodel",
        "solver_iter_0.solverstate",
    ]
    state = read_solverstate(tmp_path / "in" / "solver_iter_0.solverstate")
    assert state.learned_net == f"{tmp_path}/in/solver_iter_0.caffemodel"


def test_an_empty_prefix_is_one(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    solver_in(tmp_path, 'snapshot_prefix: ""').snapshot()
    assert (tmp_path / "_iter_0.caffemodel").exists()


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_snapshot_diff(tmp_path: Path, form: str) -> None:
    solver = solver_in(tmp_path, f"snapshot_diff: true snapshot_format: {form}")
    solver.net.blobs["x"].data[...] = 1
    solver.step(1)
    solver.snapshot()
    wanted = solver.net.params["ip2"][1].diff
    if form == "HDF5":
        import h5py

        with h5py.File(tmp_path / "solver_iter_1.caffemodel.h5") as file:
            np.testing.assert_array_equal(file["diff/ip2/1"][()], wanted)
    else:
        layers = {layer.name: layer for layer in read_caffemodel(tmp_path / "solver_iter_1.caffemodel").layer}
        np.testing.assert_array_equal(blob_diff(layers["ip2"].blobs[1]), wanted)


SHARED = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "b" bottom: "x" top: "loss" }
"""


def test_hdf5_keeps_shared_parameters_with_their_owner(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(SHARED)
    solver = solver_in(tmp_path, "snapshot_format: HDF5", tmp_path / "net.prototxt")
    solver.snapshot()
    layers = read_hdf5(tmp_path / "solver_iter_0.caffemodel.h5")
    assert [len(layers[name]) for name in ("x", "a", "b", "loss")] == [0, 2, 0, 0]
    before = solver.net.params["b"][0].data.copy()
    assert before.any()
    solver.net.params["a"][0].data[...] = 0
    solver.restore(str(tmp_path / "solver_iter_0.solverstate.h5"))
    np.testing.assert_array_equal(solver.net.params["b"][0].data, before)


def test_the_step_of_a_policy_is_kept(tmp_path: Path) -> None:
    solver = solver_in(tmp_path)
    solver.param.lr_policy, solver.param.stepsize, solver.param.gamma = "step", 2, 0.5
    solver.step(5)
    solver.snapshot()
    assert read_solverstate(tmp_path / "solver_iter_5.solverstate").current_step == 2


def damage(state: Any, kind: str, folder: Path) -> None:
    if kind == "count":
        del state.history[0]
    elif kind == "shape":
        state.history[0].shape.dim[:] = [1]
        state.history[0].data[:] = [0]
    elif kind == "weights":
        state.learned_net = str(folder / "gone.caffemodel")


@pytest.mark.parametrize("suffix", ["", ".h5"])
@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("count", FormatError, "Incorrect length of history blobs: expected 6, got 5"),
        ("shape", FormatError, r"history 0 has the shape \(1,\), expected \(8, 5\)"),
        ("weights", DataError, r"its weights are not there: .*gone\.caffemodel"),
    ],
)
def test_states_of_other_trainings(tmp_path: Path, kind: str, error: Any, message: str, suffix: str) -> None:
    """Refused in one line that names the file; the solver stays as it was."""
    solver = solver_in(tmp_path, f"snapshot_format: {'HDF5' if suffix else 'BINARYPROTO'}")
    solver.step(2)
    solver.snapshot()
    path = tmp_path / f"solver_iter_2.solverstate{suffix}"
    state = read_solverstate(path)
    damage(state, kind, tmp_path)
    write_solverstate(path, state)
    other = solver_in(tmp_path)
    with pytest.raises(error, match=message) as caught:
        other.restore(str(path))
    assert str(path) in caught.value.message
    assert other.iter == 0


def test_a_state_without_weights_is_taken(tmp_path: Path) -> None:
    """As Caffe's: history and iteration only."""
    solver = solver_in(tmp_path)
    solver.step(1)
    solver.snapshot()
    state = read_solverstate(tmp_path / "solver_iter_1.solverstate")
    state.ClearField("learned_net")
    write_solverstate(tmp_path / "bare.solverstate", state)
    other = solver_in(tmp_path)
    other.restore(str(tmp_path / "bare.solverstate"))
    assert other.iter == 1
    np.testing.assert_array_equal(other.history[0].numpy(), blob_array(state.history[0]))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    solver = solver_in(tmp_path)
    for name in ("no.solverstate", "no.solverstate.h5"):
        with pytest.raises(DataError, match=name):
            solver.restore(str(tmp_path / name))


def test_the_prefix_is_tried_at_once(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Cannot write to snapshot prefix '.*/no/run'.*  Make sure that"):
        solver_in(tmp_path, f'snapshot: 5 snapshot_prefix: "{tmp_path}/no/run"')
    solver_in(tmp_path, f'snapshot: 5 snapshot_prefix: "{tmp_path}/run"')
    solver_in(tmp_path, f'snapshot: 0 snapshot_prefix: "{tmp_path}/no/run"')
    assert [p.name for p in tmp_path.iterdir()] == ["solver.prototxt"]


def test_intervals_need_a_prefix() -> None:
    param = caffe.proto.caffe_pb2.SolverParameter(net=str(NET), snapshot=5, base_lr=1, lr_policy="fixed")
    with pytest.raises(ValueError, match="snapshot is specified but snapshot_prefix is not"):
        caffe.SGDSolver(param)
