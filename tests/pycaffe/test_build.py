"""Building a net: what tests of whole nets do not show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe

LOSSES = """
layer { name: "x" type: "Input" top: "x" top: "y" input_param { shape { dim: 3 dim: 2 } } }
layer { name: "a" type: "EuclideanLoss" bottom: "x" bottom: "y" loss_weight: 2 }
layer { name: "b" type: "EuclideanLoss" bottom: "x" bottom: "y" top: "b" loss_weight: 3 }
layer { name: "c" type: "EuclideanLoss" bottom: "y" bottom: "x" loss_weight: 5 }
"""


def test_losses_without_a_top_go_by_one_name(tmp_path: Path) -> None:
    """As in Caffe, whose `blobs` then shows the last of them; all count and all are no outputs."""
    (tmp_path / "n.prototxt").write_text(LOSSES)
    net = caffe.Net(str(tmp_path / "n.prototxt"), caffe.TRAIN)
    assert net._blob_names.count("(automatic)") == 2 == len(net._blob_names) - len(net.blobs) + 1
    assert net.outputs == ["b"]
    assert net.top_names["a"] == net.top_names["c"] == ["(automatic)"]
    assert net._top_ids(3) == [net._blob_names.index("(automatic)")]
    net.blobs["x"].data[...] = np.arange(6).reshape(3, 2)
    (out,) = net.forward().values()
    assert net._forward(0, len(net.layers) - 1) == pytest.approx(10 * float(out))
    assert net.blob_loss_weights["(automatic)"] == float(net.blobs["(automatic)"].diff) == 5


RECURRENT = """
layer { name: "x" type: "Input" top: "x" top: "cont"
        input_param { shape { dim: 2 dim: 3 dim: 4 } shape { dim: 2 dim: 3 } } }
layer { name: "r" type: "%s" bottom: "x" bottom: "cont" top: "y" recurrent_param { num_output: 2 %s } %s }
"""


@pytest.mark.parametrize(("kind", "params"), [("RNN", 5), ("LSTM", 3)])
def test_values_in_the_prototxt_are_not_a_recurrent_layers(tmp_path: Path, kind: str, params: int) -> None:
    """Real Caffe drops them when it takes the parameters of the unrolled net."""
    path = tmp_path / "r.prototxt"
    blob = "blobs { shape { dim: 1 } data: 7 }"
    path.write_text(RECURRENT % (kind, 'weight_filler { type: "constant" value: 3 }', blob))
    blobs = caffe.Net(str(path), caffe.TRAIN).params["r"]
    assert len(blobs) == params
    assert (blobs[0].data == 3).all()
    assert (blobs[1].data == 0).all()


def test_errors_within_a_recurrent_layer_name_it_and_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.prototxt"
    path.write_text(RECURRENT % ("LSTM", 'weight_filler { type: "glorot" }', ""))
    with pytest.raises(ValueError, match=r"r.prototxt:4: layer 'r': .*glorot"):
        caffe.Net(str(path), caffe.TRAIN)


def test_a_recurrent_layers_debug_info_is_named_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "1")
    path = tmp_path / "r.prototxt"
    path.write_text(RECURRENT % ("RNN", "debug_info: true", ""))
    caffe.Net(str(path), caffe.TRAIN)
    assert "layer 'r': debug_info of its steps is not supported" in capfd.readouterr().err
