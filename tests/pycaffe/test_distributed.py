"""Several processes against one: two solvers that share the records give what one with both batches gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.formats.datum import image_datum
from caffekit.formats.lmdb_store import LmdbWriter
from caffekit.pycaffe import mode
from caffekit.pycaffe.distributed import join, together

NET = """
name: "net"
layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: TRAIN }}
  data_param {{ source: "{db}" backend: LMDB batch_size: {batch} }} }}
layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: TEST }}
  data_param {{ source: "{db}" backend: LMDB batch_size: 6 }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param {{ name: "w" }} param {{ lr_mult: 2 }}
  convolution_param {{ num_output: 3 kernel_size: 3 pad: 1 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "again" type: "Convolution" bottom: "conv" top: "again" param {{ name: "w" }}
  convolution_param {{ num_output: 3 kernel_size: 3 pad: 1 weight_filler {{ type: "xavier" }} }} }}
{between}
layer {{ name: "ip" type: "InnerProduct" bottom: "again" top: "ip"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """
net: "{net}" base_lr: 0.05 lr_policy: "step" gamma: 0.5 stepsize: 4 momentum: 0.9 weight_decay: 0.01
clip_gradients: 0.5 max_iter: 8 display: 1 test_iter: 1 test_interval: 4 random_seed: 3
snapshot_prefix: "{prefix}" {more}
"""
# What each of two processes does: argv is its rank, the uid, and solvers to train one after the other.
TRAIN = """
import sys
import numpy as np
import caffekit.pycaffe as caffe
from caffekit.pycaffe.distributed import together
rank, uid, *solvers = sys.argv[1:]
caffe.set_mode_cpu()
caffe.set_solver_count(2)
caffe.set_solver_rank(int(rank))
for path in solvers:
    solver = caffe.get_solver(path)
    together(solver, uid)
    solver.solve()
    weights = {f"{n}.{i}": b.data for n, bs in solver.net.params.items() for i, b in enumerate(bs)}
    np.savez(f"{path}.{rank}.npz", **weights)
"""
QUIET = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    random = np.random.RandomState(1)
    with LmdbWriter(tmp_path / "db") as writer:
        for i in range(22):
            image = random.randint(0, 4, (5, 5, 3)).astype(np.uint8)
            writer.put(f"{i:08d}".encode(), image_datum(image, i % 3).SerializeToString())
    return tmp_path / "db"


def write_solver(folder: Path, database: Path, batch: int, more: str = "", between: str = "") -> Path:
    folder.mkdir()
    (folder / "net.prototxt").write_text(NET.format(db=database, batch=batch, between=between))
    text = SOLVER.format(net=folder / "net.prototxt", prefix=folder / "snap", more=more)
    (folder / "solver.prototxt").write_text(text)
    return folder / "solver.prototxt"


def weights_of(solver: caffe.Solver) -> dict[str, np.ndarray]:
    return {
        f"{name}.{i}": blob.data.copy()
        for name, blobs in solver.net.params.items()
        for i, blob in enumerate(blobs)
    }


MORE = ["", "layer_wise_reduce: false", "iter_size: 2"]


def test_two_processes_equal_one_with_the_summed_batch(tmp_path: Path, database: Path) -> None:
    """Weights within 1e-5 after 8 iterations; the first alone logs, tests and snapshots."""
    solvers = [write_solver(tmp_path / f"two{i}", database, 4, more) for i, more in enumerate(MORE)]
    norm = 'layer { name: "norm" type: "BatchNorm" bottom: "again" top: "again" }'
    solvers.append(write_solver(tmp_path / "norm", database, 4, "", norm))
    uid = caffe.NCCL.new_uid()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(rank), uid, *map(str, solvers)],
            env={**QUIET, "GLOG_minloglevel": "0"}, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "Iteration 7, lr =" in said[0] and "Testing net (#0)" in said[0]
    assert "Iteration" not in said[1] and "net.cpp" not in said[1]
    with np.load(f"{solvers[-1]}.0.npz") as first, np.load(f"{solvers[-1]}.1.npz") as second:
        np.testing.assert_array_equal(first["ip.0"], second["ip.0"])
        assert (first["norm.0"] != second["norm.0"]).any(), "the sums of BatchNorm are each process's own"
    for i, (path, more) in enumerate(zip(solvers, MORE, strict=False)):
        assert len(list(path.parent.glob("snap_iter_8.*"))) == 2
        one = caffe.get_solver(str(write_solver(tmp_path / f"one{i}", database, 8, more)))
        before = weights_of(one)
        one.solve()
        with np.load(f"{path}.0.npz") as first, np.load(f"{path}.1.npz") as second:
            for name, value in weights_of(one).items():
                np.testing.assert_allclose(first[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
                np.testing.assert_array_equal(first[name], second[name])
                assert np.abs(value - before[name]).max() > 1e-3, f"{name} has not moved: nothing is tested"


@pytest.mark.slow
def test_torchrun(tmp_path: Path, database: Path) -> None:
    """The module's own command, started twice by torchrun."""
    path = write_solver(tmp_path / "run", database, 4)
    arguments = ["--standalone", "--nproc-per-node=2", "-m", "caffekit.pycaffe.distributed", str(path)]
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *arguments, "--cpu"],
        env=QUIET, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    one = caffe.get_solver(str(write_solver(tmp_path / "one", database, 8)))
    one.solve()
    net = caffe.Net(str(path.with_name("net.prototxt")), str(path.with_name("snap_iter_8.caffemodel")), 1)
    for name, blobs in one.net.params.items():
        for mine, theirs in zip(net.params[name], blobs, strict=True):
            np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-5, atol=1e-5, err_msg=name)


def test_train_py_of_bvlc_runs_unmodified(tmp_path: Path, database: Path) -> None:
    """python/train.py of the checkout that CAFFE_SRC names, `caffe` being our module, on the CPU."""
    source = Path(os.environ.get("CAFFE_SRC", "")) / "python" / "train.py"
    if "CAFFE_SRC" not in os.environ or not source.is_file():
        pytest.skip("no BVLC checkout (set CAFFE_SRC)")
    path = write_solver(tmp_path / "run", database, 4, "snapshot: 8")
    arguments = [source, "--solver", path, "--gpus", "0", "1", "--timing"]
    run = subprocess.run(
        [sys.executable, "-m", "caffekit.engines.embedded_child", *map(str, arguments)],
        env={**QUIET, "CAFFEKIT_CPU": "1", "GLOG_minloglevel": "0"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0 and "Traceback" not in run.stderr, run.stderr
    assert "allreduce:" in run.stderr
    one = caffe.get_solver(str(write_solver(tmp_path / "one", database, 8)))
    one.step(8)
    net = caffe.Net(str(path.with_name("net.prototxt")), str(path.with_name("snap_iter_8.caffemodel")), 1)
    for name, blobs in one.net.params.items():
        for mine, theirs in zip(net.params[name], blobs, strict=True):
            np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.fixture
def alone() -> object:
    """Whatever a test says about ranks is forgotten after it."""
    yield
    mode.set_solver_count(1)
    mode.set_solver_rank(0)
    mode.set_multiprocess(False)


def test_outside_of_torchrun(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch, alone: object
) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError, match="start the script with torchrun"):
        join()
    solver = caffe.get_solver(str(write_solver(tmp_path / "s", database, 4)))
    with pytest.raises(RuntimeError, match="new_uid"):
        together(solver)


def test_without_torchrun_the_command_says_so_in_a_line() -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    command = [sys.executable, "-m", "caffekit.pycaffe.distributed", "nowhere.prototxt", "--cpu"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: join: no RANK and WORLD_SIZE")
    assert done.stderr.count("\n") == 1
