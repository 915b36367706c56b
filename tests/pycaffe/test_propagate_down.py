"""propagate_down and force_backward: who gets a gradient, as recorded from real Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe

NET = """
{force}
layer {{ name: "x" type: "Input" top: "x" top: "t" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param {{ num_output: 3 }} {a} }}
layer {{ name: "p" type: "Power" bottom: "a" top: "p" power_param {{ scale: 2 }} {p} }}
layer {{ name: "e" type: "Eltwise" bottom: "p" bottom: "t" top: "e" {e} }}
layer {{ name: "l" type: "EuclideanLoss" bottom: "e" bottom: "x" top: "l" }}
"""
FIXED = "param { lr_mult: 0 } param { lr_mult: 0 }"

# The blobs and parameters with a gradient that is not all zeros, as real Caffe leaves them.
RECORDED = [
    ({}, "a p e a/0 a/1"),
    ({"p": "propagate_down: false"}, "p e"),
    ({"e": "propagate_down: false propagate_down: true"}, "t e"),
    ({"e": "propagate_down: true propagate_down: true"}, "t a p e a/0 a/1"),
    ({"a": "propagate_down: true"}, "x_x_0_split_0 a p e a/0 a/1"),
    ({"a": FIXED}, ""),
    ({"a": FIXED + " propagate_down: true"}, ""),
    ({"a": FIXED, "force": "force_backward: true"}, "x t x_x_0_split_0 x_x_0_split_1 a p e a/0 a/1"),
]


def _net(tmp_path: Path, change: dict[str, str]) -> caffe.Net:
    path = tmp_path / "net.prototxt"
    path.write_text(NET.format(**{"force": "", "a": "", "p": "", "e": "", **change}))
    return caffe.Net(str(path), caffe.TRAIN)


@pytest.mark.parametrize(("change", "wanted"), RECORDED)
def test_who_gets_a_gradient(tmp_path: Path, change: dict[str, str], wanted: str) -> None:
    net = _net(tmp_path, change)
    random = np.random.RandomState(1)
    for name in ("x", "t"):
        net.blobs[name].data[...] = random.uniform(-1, 1, (2, 3))
    for blob in net.params["a"]:
        blob.data[...] = random.uniform(-1, 1, blob.data.shape)
    net.forward()
    net.backward()
    blobs = [(name, blob) for name, blob in net.blobs.items() if name != "l"]
    blobs += [(f"a/{i}", blob) for i, blob in enumerate(net.params["a"])]
    assert " ".join(name for name, blob in blobs if np.any(blob.diff)) == wanted


def test_one_for_each_bottom(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"either 0 or bottom_size times \(2\), got 1"):
        _net(tmp_path, {"e": "propagate_down: true"})
