"""The shipped losses: the Python layers in real Caffe and in our engine, and its own layers, agree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from caffekit.engines import Engine, find_engine
from caffekit.engines.engine import INSIDE
from caffekit.formats.blobs import blob_array
from caffekit.formats.weights import read_caffemodel
from caffekit.graph.rules_python import LOSSES_MODULE
from caffekit.netgen.losses import Head, loss_text
from tests.engines import tiny

CASE = Path(__file__).with_name("losses_case.py")
CHILD = [sys.executable, "-m", "caffekit.pycaffe"]


def run(command: list[str], folder: Path, module: str, out: Path) -> dict[str, np.ndarray]:
    path = os.pathsep.join([str(folder), str(CASE.parent.parent.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "GLOG_minloglevel": "2"}
    subprocess.run([*command, str(CASE), module, str(out)], env=environment, check=True)
    with np.load(out) as file:
        return dict(file)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The results of our engine's own layers; nothing shipped is on its path."""
    folder = tmp_path_factory.mktemp("native")
    return run(CHILD, folder, LOSSES_MODULE, folder / "out.npz")


def same(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert set(got) == set(wanted)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=2e-5, err_msg=name)


def test_the_python_layers_give_the_same_in_our_engine(native: dict[str, np.ndarray], tmp_path: Path) -> None:
    """Under another name they are Python layers like any other."""
    shutil.copy(INSIDE / f"{LOSSES_MODULE}.py", tmp_path / "users_losses.py")
    same(native, run(CHILD, tmp_path, "users_losses", tmp_path / "out.npz"))


@pytest.mark.bvlc
def test_real_caffe_gives_the_same(native: dict[str, np.ndarray], bvlc: Path, tmp_path: Path) -> None:
    same(native, run([str(bvlc)], INSIDE, LOSSES_MODULE, tmp_path / "out.npz"))


def test_what_was_trained(native: dict[str, np.ndarray]) -> None:
    """The case is no empty one: centers moved, lambda fell and is counted, margins act in training only."""
    assert np.abs(native["param center 0"]).max() > 0.1
    assert np.abs(native["param center_2 0"]).max() > 0.1
    assert native["param a_4 1"] == pytest.approx([4e-6])
    assert native["data lambda_4"] == pytest.approx([3])
    assert 0 < native["data share_batch-all"] < 1
    for name in ("a_2", "a_4", "am"):
        assert (native[f"data {name}"] < native[f"test {name}"] - 0.01).any()
    assert np.abs(native["diff features_ip_0_split_0"]).max() > 0


def trained(engine: Engine, folder: Path, loss: str) -> tuple[list[float], list[np.ndarray]]:
    """The losses of a training through the worker, and the parameters of the loss's own layer."""
    solver = tiny.make(folder, base_lr=0.005)
    net = solver.with_name("net.prototxt")
    body, _, _ = net.read_text().partition('layer { name: "ip2"')
    net.write_text(body + loss_text(loss, Head("ip1", tiny.CLASSES)))
    outcome, seen = tiny.run(engine, solver)
    assert (outcome.reason, outcome.iter) == ("done", 20)
    weights = read_caffemodel(folder / "tiny_iter_20.caffemodel")
    own = next(layer for layer in weights.layer if layer.type == "Python")
    return list(seen.losses().values()), [blob_array(blob) for blob in own.blobs]


@pytest.mark.bvlc
@pytest.mark.parametrize("loss", ["center", "a_softmax", "triplet"])
def test_one_file_trains_in_both_engines(loss: str, bvlc: Path, tmp_path: Path) -> None:
    ours, mine = trained(find_engine("embedded", None), tmp_path / "ours", loss)
    theirs, other = trained(find_engine("bvlc", bvlc), tmp_path / "theirs", loss)
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert len(ours) == 20
    assert len(mine) == len(other) == {"a_softmax": 2, "center": 1, "triplet": 0}[loss]
    for got, wanted in zip(mine, other, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)
    if loss == "center":
        assert np.mean(ours[-5:]) < np.mean(ours[:5])
    if loss == "a_softmax":
        assert mine[1] == pytest.approx([20e-6])
