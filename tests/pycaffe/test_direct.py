"""Layers with gradient formulas of their own: what they overwrite, free and compute without a forward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.pycaffe.mode import set_spare_memory

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }\n'


def make(path: Path, layers: str, head: str = "force_backward: true\n") -> caffe.Net:
    path.write_text(head + INPUT + layers)
    return caffe.Net(str(path), caffe.TRAIN)


def test_an_in_place_layer_leaves_the_values_that_a_graph_needs(tmp_path: Path) -> None:
    """Sigmoid's gradient is computed from its top, which ReLU, in place, must not write over."""
    net = make(
        tmp_path / "net.prototxt",
        """layer { name: "s" type: "TanH" bottom: "x" top: "s" }
           layer { name: "r" type: "ReLU" bottom: "s" top: "s" }""",
    )
    x = np.linspace(-2, 2, 32, dtype=np.float32).reshape(1, 2, 4, 4)
    net.blobs["x"].data[...] = x
    net.forward()
    net.blobs["s"].diff[...] = 1
    net.backward()
    wanted = np.where(x > 0, 1 - np.tanh(x) ** 2, 0)
    np.testing.assert_allclose(net.blobs["x"].diff, wanted, rtol=1e-5, atol=1e-6)


def test_in_place_layers_between_consumers_of_one_blob(tmp_path: Path) -> None:
    """A ReLU in place on one of Split's tops does not reach the other."""
    net = make(
        tmp_path / "net.prototxt",
        """layer { name: "c" type: "Power" bottom: "x" top: "c" power_param { shift: -1 } }
           layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_size: 4 pool: AVE } }
           layer { name: "r" type: "ReLU" bottom: "c" top: "r" }""",
    )
    net.blobs["x"].data[...] = 0
    out = net.forward()
    assert out["p"].ravel().tolist() == [-1, -1]
    assert not out["r"].any()


def test_nan_never_wins_a_maximum(tmp_path: Path) -> None:
    net = make(
        tmp_path / "net.prototxt",
        'layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 2 stride: 2 } }',
    )
    x = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
    x[0, 0, 1, 1] = np.nan
    x[0, 1, :2, :2] = np.nan
    net.blobs["x"].data[...] = x
    top = net.forward()["p"]
    assert top[0, 0].tolist() == [[4, 7], [13, 15]]
    assert top[0, 1, 0, 0] == -np.finfo(np.float32).max


@pytest.fixture
def sparing() -> object:
    set_spare_memory(True)
    yield
    set_spare_memory(False)


@pytest.mark.usefixtures("sparing")
def test_sparing_memory_frees_gradients_but_not_the_inputs_nor_the_parameters(tmp_path: Path) -> None:
    net = make(
        tmp_path / "net.prototxt",
        """layer { name: "i" type: "InnerProduct" bottom: "x" top: "i"
             inner_product_param { num_output: 1 weight_filler { type: "constant" value: 2 } } }
           layer { name: "q" type: "Power" bottom: "i" top: "q" loss_weight: 3 }""",
    )
    net.blobs["x"].data[...] = 1
    net.forward()
    net.backward()
    assert net.blobs["x"].diff.ravel().tolist() == [6] * 32
    assert net.params["i"][0].diff.ravel().tolist() == [3] * 32
    assert net.blobs["q"].diff.ravel().tolist() == [3], "the loss weight stays"
    assert not net.blobs["i"].diff.any()
