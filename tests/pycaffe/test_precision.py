"""bf16: operands of convolutions and inner products have 8 bits, everything else stays float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.engines import find_engine
from caffekit.errors import UsageError
from caffekit.pycaffe.mode import set_precision

NET = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 8 dim: 1 dim: 12 dim: 12 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 8 } } }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1"
        convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "r" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2"
        convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "c2" top: "ip"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(autouse=True)
def float32_again() -> Iterator[None]:
    yield
    set_precision("float32")


def results(path: Path, precision: str) -> dict[str, np.ndarray]:
    """Outputs and gradients of one pass, from one seed."""
    path.write_text(NET)
    caffe.set_random_seed(3)
    net = caffe.Net(str(path), caffe.TRAIN)
    net.blobs["data"].data[...] = np.random.RandomState(0).uniform(-1, 1, (8, 1, 12, 12))
    net.blobs["label"].data[...] = np.arange(8) % 5
    set_precision(precision)
    net.forward()
    net.backward()
    gradients = {name: blobs[0].diff.copy() for name, blobs in net.params.items()}
    return gradients | {"top": net.blobs["ip"].data.copy(), "below": net.blobs["data"].diff.copy()}


def test_bf16_is_near_float32_and_not_equal(tmp_path: Path) -> None:
    exact, near = results(tmp_path / "n", "float32"), results(tmp_path / "n", "bf16")
    for name, values in exact.items():
        assert near[name].dtype == np.float32
        error = float(np.linalg.norm(near[name] - values) / np.linalg.norm(values))
        assert 1e-6 < error < 0.05, (name, error)


def test_an_unknown_precision_and_real_caffe_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown precision: fp8 \\(known: float32, bf16\\)"):
        set_precision("fp8")
    with pytest.raises(UsageError, match="real Caffe computes in float32"):
        find_engine("bvlc", precision="bf16")
    assert find_engine("embedded", precision="bf16").env["CAFFEKIT_PRECISION"] == "bf16"
