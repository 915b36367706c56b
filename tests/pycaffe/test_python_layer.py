"""Layers written in Python for `import caffe`: equal to real Caffe's run of them, and what goes wrong."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import caffekit.pycaffe as caffe

LAYERS = '''
import caffe


class Scaled(caffe.Layer):
    """k * x with a learned k per channel; param_str is where k starts."""

    def setup(self, bottom, top):
        self.blobs.add_blob(bottom[0].channels)
        self.blobs[0].data[...] = float(self.param_str)
        self.calls = []

    def reshape(self, bottom, top):
        self.calls.append("reshape")
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        self.calls.append("forward")
        top[0].data[...] = bottom[0].data * self.blobs[0].data.reshape(-1, 1)

    def backward(self, top, propagate_down, bottom):
        self.calls.append(list(propagate_down))
        self.blobs[0].diff[...] += (top[0].diff * bottom[0].data).sum((0, 2))
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * self.blobs[0].data.reshape(-1, 1)


class HalfSquares(caffe.Layer):
    """A loss with two bottoms, in the phase it is told."""

    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("two bottoms, please")
        top[0].reshape(1)
        top[0].data[0] = self.phase

    def reshape(self, bottom, top):
        if bottom[0].count != bottom[1].count:
            raise Exception("sizes differ")
        self.difference = bottom[0].data * 0
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = (self.difference ** 2).sum() / bottom[0].num / 2

    def backward(self, top, propagate_down, bottom):
        for i, sign in ((0, 1), (1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * self.difference / bottom[i].num * top[0].diff[0]


class Twice(caffe.Layer):
    """In place."""

    def setup(self, bottom, top):
        self.count = 0

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        top[0].data[...] *= 2

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 2 * top[0].diff


class Bare(caffe.Layer):
    def setup(self, bottom, top):
        pass


class Stranger:
    def __init__(self, param):
        pass
'''

NET = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 } } }
layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 2 dim: 3 dim: 4 } } }
layer { name: "scaled" type: "Python" bottom: "x" top: "scaled"
  python_param { module: "caffekit_test_layers" layer: "Scaled" param_str: "1.5" } }
layer { name: "twice" type: "Python" bottom: "scaled" top: "scaled"
  python_param { module: "caffekit_test_layers" layer: "Twice" share_in_parallel: true } }
layer { name: "loss" type: "Python" bottom: "scaled" bottom: "y" top: "loss" loss_weight: 0.5
  python_param { module: "caffekit_test_layers" layer: "HalfSquares" } }
"""


@pytest.fixture
def net_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """NET in a file, its layers' module in sys.path."""
    (tmp_path / "caffekit_test_layers.py").write_text(LAYERS)
    (tmp_path / "net.prototxt").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "caffekit_test_layers", raising=False)
    return str(tmp_path / "net.prototxt")


def _run(caffe: Any, path: str) -> dict[str, np.ndarray]:
    """Every number after a forward and a backward pass, by any module that plays `caffe`."""
    net = caffe.Net(path, caffe.TRAIN)
    random = np.random.RandomState(1)
    for name in ("x", "y"):
        net.blobs[name].data[...] = random.uniform(-1, 1, (2, 3, 4))
    loss = np.array(net._forward(0, len(net.layers) - 1), np.float32)
    net._backward(len(net.layers) - 1, 0)
    out = {"weighted": loss, "k": net.params["scaled"][0].data, "dk": net.params["scaled"][0].diff}
    for name, blob in net.blobs.items():
        out["data/" + name], out["diff/" + name] = blob.data, blob.diff
    return {name: np.array(array) for name, array in out.items()}


@pytest.mark.bvlc
def test_equals_bvlc(net_file: str, bvlc: Path, tmp_path: Path) -> None:
    script = "import sys, numpy as np, caffe\nfrom typing import Any\n" + inspect.getsource(_run)
    script += "np.savez(sys.argv[2], **_run(caffe, sys.argv[1]))\n"
    (tmp_path / "run.py").write_text(script)  # beside the layers
    subprocess.run(
        [bvlc, tmp_path / "run.py", net_file, tmp_path / "out.npz"], check=True, capture_output=True
    )
    got = _run(caffe, net_file)
    with np.load(tmp_path / "out.npz") as wanted:
        assert set(got) == set(wanted)
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_by_hand(net_file: str) -> None:
    """2 * 1.5 * x against y: the loss and its gradients."""
    got = _run(caffe, net_file)
    x, y = got["data/x"], got["data/y"]
    np.testing.assert_allclose(got["data/loss"], ((3 * x - y) ** 2).sum() / 4, rtol=1e-6)
    np.testing.assert_allclose(got["weighted"], got["data/loss"][0] / 2, rtol=1e-6)
    np.testing.assert_allclose(got["diff/x"], 3 * (3 * x - y) / 2 / 2, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(got["diff/y"], -(3 * x - y) / 2 / 2, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(got["dk"], (2 * (3 * x - y) / 2 / 2 * x).sum((0, 2)), rtol=1e-5, atol=1e-7)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: GPUs are not tested here")
def test_the_same_on_a_gpu(net_file: str) -> None:
    """What a layer in numpy reads and writes goes to the device and back."""
    wanted = _run(caffe, net_file)
    caffe.set_mode_gpu()
    try:
        got = _run(caffe, net_file)
    finally:
        caffe.set_mode_cpu()
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_net_shows_the_users_own_object(net_file: str) -> None:
    net = caffe.Net(net_file, caffe.TRAIN)
    layer = net.layers[2]
    assert type(layer).__name__ == "Scaled"
    assert layer is net.layer_dict["scaled"]
    assert isinstance(layer, caffe.Layer)
    assert (layer.type, layer.param_str, layer.phase) == ("Python", "1.5", caffe.TRAIN)
    layer.anything = 1
    net.forward()
    net.backward()
    assert layer.calls == ["reshape", "reshape", "forward", [True]]
    assert net.params["scaled"][0] is layer.blobs[0]


def test_what_setup_writes_into_a_top_stays(net_file: str) -> None:
    for phase in (caffe.TRAIN, caffe.TEST):
        assert caffe.Net(net_file, phase).blobs["loss"].data[0] == phase


def test_reshape_comes_before_every_forward_and_with_net_reshape(net_file: str) -> None:
    net = caffe.Net(net_file, caffe.TEST)
    for name in ("x", "y"):
        net.blobs[name].reshape(5, 3, 2)
    net.reshape()
    assert net.blobs["scaled"].shape == (5, 3, 2)
    for name in ("x", "y"):
        net.blobs[name].reshape(4, 3, 1)
    net.forward()
    assert net.blobs["scaled"].shape == (4, 3, 1)


def test_learned_blobs_are_trained_saved_and_shared(net_file: str, tmp_path: Path) -> None:
    solver = tmp_path / "solver.prototxt"
    solver.write_text(
        f'train_net: "{net_file}" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "{tmp_path}/a"'
    )
    solver = caffe.SGDSolver(str(solver))
    k = solver.net.params["scaled"][0]
    solver.net.blobs["x"].data[...] = 1
    solver.step(1)
    # The gradient of half the loss: 3 * 2 * 1 summed over the two items and four places of a channel.
    np.testing.assert_allclose(k.data, 1.5 - 0.1 * 0.5 * 3 * 2 * 4, rtol=1e-6)
    solver.net.save(str(tmp_path / "a.caffemodel"))
    again = caffe.Net(net_file, caffe.TEST, weights=str(tmp_path / "a.caffemodel"))
    np.testing.assert_array_equal(again.params["scaled"][0].data, k.data)
    other = caffe.Net(net_file, caffe.TEST)
    other.share_with(solver.net)
    k.data[...] = 7
    assert (other.params["scaled"][0].data == 7).all()


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            '"caffekit_test_layers"',
            '"no_such_module"',
            ImportError,
            "layer 'scaled': No module named 'no_such",
        ),
        ('"caffekit_test_layers"', '"no_such.module"', ImportError, "'scaled': No module named 'no_such.mod"),
        (
            '"Scaled"',
            '"Scald"',
            AttributeError,
            "layer 'scaled': module 'caffekit_test_layers' has no .*'Scald'",
        ),
        (
            '"Scaled"',
            '"Stranger"',
            TypeError,
            "layer 'scaled': .*Stranger does not derive from the caffe.Layer",
        ),
        ('"Scaled"', '"Bare"', AttributeError, "layer 'scaled': class Bare has no method reshape"),
        ('bottom: "y" top', "top", Exception, "^two bottoms, please$"),
        ('param_str: "1.5"', 'param_str: "k"', ValueError, "could not convert string to float"),
    ],
)
def test_what_goes_wrong_is_the_users_exception_or_names_the_layer(
    net_file: str, old: str, new: str, error: type[Exception], message: str
) -> None:
    Path(net_file).write_text(NET.replace(old, new, 1))
    with pytest.raises(error, match=message):
        caffe.Net(net_file, caffe.TRAIN)


def test_an_exception_in_forward_passes(net_file: str) -> None:
    net = caffe.Net(net_file, caffe.TRAIN)
    net.blobs["y"].reshape(2, 3, 5)
    with pytest.raises(Exception, match="^sizes differ$"):
        net.forward()


def test_an_import_that_fails_inside_the_module_says_so(net_file: str) -> None:
    module = Path(net_file).parent / "caffekit_test_layers.py"
    module.write_text("import no_such_dependency\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        caffe.Net(net_file, caffe.TRAIN)


def test_several_solvers_need_processes_of_their_own(net_file: str) -> None:
    caffe.set_solver_count(2)
    try:
        with pytest.raises(ValueError, match="layer 'scaled': PythonLayer does not support several solvers"):
            caffe.Net(net_file, caffe.TRAIN)
    finally:
        caffe.set_solver_count(1)
