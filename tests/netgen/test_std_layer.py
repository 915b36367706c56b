"""The layer that divides by std: put into nets that a user wrote, found again, and what Caffe makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse, write_prototxt
from caffekit.formats.weights import read_caffemodel
from caffekit.netgen import std_layer

NET = """
layer { name: "in" type: "Data" top: "x" top: "label" include { phase: TRAIN } }
layer { name: "in" type: "Data" top: "x" top: "label" include { phase: TEST } }
layer { name: "pow" type: "Power" bottom: "x" top: "x" }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
SMALL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 2 dim: 2 } } }
layer { name: "s" type: "Scale" bottom: "data" top: "s" param { lr_mult: 0 } blobs { shape { dim: 3 }
  data: 0.5 data: 0.25 data: 2 } }
"""


def net(text: str) -> Any:
    return parse(text, NetParameter(), "net")


def test_it_stands_behind_each_data_layer_and_takes_its_place() -> None:
    made = net(NET)
    notes = std_layer.insert(made, [0.5, 0.25])
    assert [(layer.name, list(layer.bottom), list(layer.top)) for layer in made.layer] == [
        ("in", [], ["x", "label"]),
        ("in_std", ["x"], ["in_std"]),
        ("in", [], ["x", "label"]),
        ("in_std", ["x"], ["in_std"]),
        ("pow", ["in_std"], ["in_std"]),
        ("fc", ["in_std"], ["fc"]),
        ("loss", ["fc", "label"], ["loss"]),
    ]
    assert [layer.include[0].phase for layer in made.layer[:4]] == [0, 0, 1, 1]
    assert notes == [f"in_std ({phase}): divides by std per channel" for phase in ("TRAIN", "TEST")]
    assert std_layer.find(made).name == "in_std" and std_layer.find(net(NET)) is None


def test_blobs_in_a_prototxt_are_the_layer_s(tmp_path: Path) -> None:
    write_prototxt(tmp_path / "n", net(SMALL))
    made = caffe.Net(str(tmp_path / "n"), caffe.TEST)
    made.blobs["data"].data[...] = 1
    assert made.forward()["s"][0, :, 0, 0].tolist() == [0.5, 0.25, 2.0]
    made.save(str(tmp_path / "m"))
    assert [list(b.data) for b in read_caffemodel(tmp_path / "m").layer[1].blobs] == [[0.5, 0.25, 2.0]]


def test_blobs_of_another_shape_are_refused(tmp_path: Path) -> None:
    write_prototxt(tmp_path / "n", net(SMALL.replace("dim: 3 dim: 2", "dim: 4 dim: 2")))
    with pytest.raises(ValueError, match=r"layer 's': its blobs in the prototxt have the shapes \(3,\)"):
        caffe.Net(str(tmp_path / "n"), caffe.TEST)


@pytest.mark.bvlc
def test_real_caffe_takes_them_too(bvlc: Path, tmp_path: Path) -> None:
    write_prototxt(tmp_path / "n", net(SMALL))
    code = (
        "import sys, caffe, numpy as np\n"
        "n = caffe.Net(sys.argv[1], caffe.TEST)\n"
        "n.blobs['data'].data[...] = 1\n"
        "np.save(sys.argv[2], n.forward()['s'])\n"
    )
    command = [bvlc, "-c", code, tmp_path / "n", tmp_path / "out.npy"]
    subprocess.run(command, check=True, capture_output=True)
    assert np.load(tmp_path / "out.npy")[1, :, 1, 1].tolist() == [0.5, 0.25, 2.0]
