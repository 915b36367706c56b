"""Net: construction, weights, hooks, shapes, and the errors BVLC would abort on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.errors import FormatError

NET = """
name: "little"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } include { phase: TRAIN } }
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer {
  name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } }
}
layer {
  name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" include { phase: TRAIN }
}
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" include { phase: TEST } }
"""


@pytest.fixture
def prototxt(tmp_path: Path) -> str:
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return str(path)


def test_phases_names_and_shapes(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TEST)
    assert list(net.blobs) == ["data", "conv", "ip", "prob"]
    assert net.inputs == ["data"]
    assert net.outputs == ["prob"]
    assert net.blobs["conv"].shape == (2, 4, 6, 6)
    assert [blob.shape for blob in net.params["ip"]] == [(5, 144), (5,)]
    train = caffe.Net(prototxt, caffe.TRAIN)
    assert train.outputs == ["acc", "loss"]
    assert train.blob_loss_weights["loss"] == 1
    assert "ip_ip_0_split" in train.layer_dict


def test_forward_by_keyword_and_batch_reshape(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TEST)
    net.blobs["data"].reshape(1, 3, 8, 8)
    net.reshape()
    assert net.blobs["prob"].shape == (1, 5)
    out = net.forward(data=np.ones((1, 3, 8, 8)))
    np.testing.assert_allclose(out["prob"].sum(), 1, rtol=1e-5)
    with pytest.raises(Exception, match="do not match"):
        net.forward(images=np.ones((1, 3, 8, 8)))
    with pytest.raises(Exception, match="batch sized"):
        net.forward(data=np.ones((2, 3, 8, 8)))


def test_partial_forward_takes_what_the_user_wrote(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TEST)
    net.blobs["conv"].data[...] = 0
    net.params["ip"][1].data[...] = [0, 0, 9, 0, 0]
    assert net.forward(start="ip")["prob"].argmax() == 2


def test_saved_weights_come_back(prototxt: str, tmp_path: Path) -> None:
    net = caffe.Net(prototxt, caffe.TEST)
    net.save(str(tmp_path / "a.caffemodel"))
    again = caffe.Net(prototxt, str(tmp_path / "a.caffemodel"), caffe.TEST)
    for name, blobs in net.params.items():
        for mine, theirs in zip(blobs, again.params[name], strict=True):
            np.testing.assert_array_equal(mine.data, theirs.data)


def test_weights_of_another_shape_are_refused_in_caffes_words(prototxt: str, tmp_path: Path) -> None:
    caffe.Net(prototxt, caffe.TEST).save(str(tmp_path / "a.caffemodel"))
    other = tmp_path / "other.prototxt"
    other.write_text(NET.replace("num_output: 5", "num_output: 6"))
    with pytest.raises(ValueError, match=r"layer 'ip'; shape mismatch.  Source param shape is 5 144 \(720\)"):
        caffe.Net(str(other), str(tmp_path / "a.caffemodel"), caffe.TEST)


def test_hooks_see_every_layer_in_order(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TRAIN)
    seen: list[tuple[str, int]] = []
    for when in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, when)(lambda i, when=when: seen.append((when, i)))
    net.forward()
    net.backward()
    count = len(net.layers)
    assert seen[:2] == [("before_forward", 0), ("after_forward", 0)]
    assert [i for when, i in seen if when == "before_backward"] == list(reversed(range(count)))


def test_gradient_equals_the_loss_difference(prototxt: str) -> None:
    """The chain of layers, checked numerically: a step along the gradient changes the loss as it says."""
    caffe.set_random_seed(1)
    net = caffe.Net(prototxt, caffe.TRAIN)
    net.blobs["data"].data[...] = np.random.RandomState(0).uniform(-1, 1, (2, 3, 8, 8))
    net.blobs["label"].data[...] = [1, 4]
    weight = net.params["conv"][0]
    before = net._forward(0, len(net.layers) - 1)
    net.clear_param_diffs()
    net.backward()
    slope = float((weight.diff**2).sum())
    weight.data[...] += 1e-3 * weight.diff
    after = net._forward(0, len(net.layers) - 1)
    np.testing.assert_allclose((after - before) / 1e-3, slope, rtol=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('type: "ReLU"', 'type: "Relu"'),
            r"bad.prototxt:\d+: layer 'relu': Unknown layer type: Relu \(did you mean ReLU\?\)",
        ),
        (('bottom: "conv" top: "ip"', 'bottom: "cnv" top: "ip"'), "Unknown bottom blob 'cnv'"),
        (("kernel_size: 3", "kernel_size: 9"), "layer 'conv'"),
        (('type: "xavier"', 'type: "xavir"'), r"layer '\w+': Unknown filler name: xavir \(known"),
        (
            ('bottom: "ip" top: "prob"', 'bottom: "ip" top: "data"'),
            "Top blob 'data' produced by multiple sources",
        ),
    ],
)
def test_what_bvlc_aborts_on_is_an_exception(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "bad.prototxt"
    path.write_text(NET.replace(*change))
    with pytest.raises((ValueError, FormatError), match=message):
        caffe.Net(str(path), caffe.TEST)


def test_a_label_out_of_range_is_named(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TRAIN)
    net.blobs["label"].data[...] = [1, 5]
    with pytest.raises(ValueError, match=r"label 5 \(item 1 of the batch\) is outside 0 … 4"):
        net.forward()


def test_a_missing_file_is_pycaffes_error() -> None:
    with pytest.raises(RuntimeError, match="Could not open file nothing.prototxt"):
        caffe.Net("nothing.prototxt", caffe.TEST)


# --- pycaffe's ways to call it ------------------------------------------------------------------------------


def test_arguments_by_place_and_the_old_form(prototxt: str, tmp_path: Path) -> None:
    path = tmp_path / "levels.prototxt"
    path.write_text(
        NET.replace(
            'name: "relu" type: "ReLU"', 'name: "relu" type: "ReLU" include { min_level: 1 stage: "deploy" }'
        )
    )
    net = caffe.Net(str(path), caffe.TEST, 1, ["deploy"])
    assert "relu" in net.layer_dict
    assert "relu" not in caffe.Net(str(path), caffe.TEST, 1).layer_dict
    net.save(str(tmp_path / "a.caffemodel"))
    again = caffe.Net(str(path), caffe.TEST, 1, ["deploy"], str(tmp_path / "a.caffemodel"))
    np.testing.assert_array_equal(again.params["conv"][0].data, net.params["conv"][0].data)


def test_the_old_form_warns(
    prototxt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "1")
    weights = str(tmp_path / "a.caffemodel")
    caffe.Net(prototxt, caffe.TEST).save(weights)
    assert caffe.Net(prototxt, weights, caffe.TRAIN).phase == caffe.TRAIN
    assert "DEPRECATION WARNING - deprecated use of Python interface" in capsys.readouterr().err


def test_backward_takes_diffs_and_gives_those_asked_for(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TEST)
    net.forward()
    diff = np.random.RandomState(0).uniform(-1, 1, (2, 5))
    out = net.backward(diffs=["ip"], start="prob", end="ip", prob=diff)
    np.testing.assert_array_equal(net.blobs["prob"].diff, diff.astype(np.float32))
    assert set(out) == {"conv", "ip"}
    with pytest.raises(Exception, match="Top diff arguments do not match net outputs"):
        net.backward(ip=diff)
    with pytest.raises(ValueError, match="nothing"):
        net.forward(start="nothing")


def test_backward_alone_is_that_at_what_the_bottoms_hold(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TRAIN)
    values = np.random.RandomState(0).uniform(-1, 1, net.blobs["conv"].data.shape)
    net.blobs["conv"].data[...] = values
    net.blobs["ip"].diff[...] = diff = np.random.RandomState(1).uniform(-1, 1, (2, 5))
    net.backward(start="ip", end="ip")
    wanted = diff.T @ values.reshape(2, -1)
    np.testing.assert_allclose(net.params["ip"][0].diff, wanted, rtol=1e-5, atol=1e-6)


def test_forward_all_takes_any_number(prototxt: str) -> None:
    """Real Caffe's own numbers are in test_io.py's record."""
    net = caffe.Net(prototxt, caffe.TEST)
    data = np.random.RandomState(0).uniform(-1, 1, (5, 3, 8, 8))
    out = net.forward_all(blobs=["conv"], data=data)
    assert out["conv"].shape == (5, 4, 6, 6)
    one = net.forward(data=data[[4, 4]])
    np.testing.assert_allclose(out["prob"][4], one["prob"][0], rtol=1e-6)
    assert len(net.forward_all(data=data[:0])["prob"]) == 0


def test_forward_all_refuses_one_number_for_a_batch(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TRAIN)
    with pytest.raises(ValueError, match="blob 'acc' is one number for the whole batch"):
        net.forward_all(data=np.zeros((4, 3, 8, 8)), label=np.zeros(4))
    for method in (net.forward_all, net.forward_backward_all):
        with pytest.raises(ValueError, match="need arrays of inputs, by keyword"):
            method()


MEMORY = """
layer {
  name: "memory" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 }
}
layer { name: "quiet" type: "Silence" bottom: "label" }
"""


def test_input_arrays_come_in_batches(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(MEMORY)
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    data = np.arange(24, dtype=np.float32).reshape(4, 1, 2, 3)
    net.set_input_arrays(data, np.arange(4, dtype=np.float32))
    for start in (0, 2, 0):
        np.testing.assert_array_equal(net.forward()["data"], data[start : start + 2])
        np.testing.assert_array_equal(net.blobs["label"].data.ravel(), [start, start + 1])


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (np.zeros((4, 1, 2, 3)), np.zeros(4, np.float32), "data array must be float32"),
        (np.zeros((4, 1, 2, 3), np.float32), np.zeros(4), "labels array must be float32"),
        (np.zeros((4, 2, 3), np.float32), np.zeros(4, np.float32), "data array must be 4-d"),
        (np.zeros((3, 2, 1, 4), np.float32).T, np.zeros(4, np.float32), "data array must be C contiguous"),
        (np.zeros((4, 1, 2, 2), np.float32), np.zeros(4, np.float32), "data array has wrong width"),
        (np.zeros((3, 1, 2, 3), np.float32), np.zeros(3, np.float32), "must be a multiple of batch size"),
        (np.zeros((4, 1, 2, 3), np.float32), np.zeros(2, np.float32), "must have the same first dimension"),
    ],
)
def test_input_arrays_of_other_forms_are_refused(
    tmp_path: Path, data: np.ndarray, labels: np.ndarray, message: str
) -> None:
    (tmp_path / "net.prototxt").write_text(MEMORY)
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    with pytest.raises(RuntimeError, match=message):
        net.set_input_arrays(data, labels)


def test_input_arrays_need_a_memory_layer(prototxt: str) -> None:
    net = caffe.Net(prototxt, caffe.TEST)
    with pytest.raises(
        RuntimeError, match="first layer is a MemoryDataLayer; here it is 'data' of type Input"
    ):
        net.set_input_arrays(np.zeros((2, 3, 8, 8), np.float32), np.zeros(2, np.float32))


def test_places_of_blobs(prototxt: str) -> None:
    """pycaffe's own inner names, which scripts that convert nets read."""
    net = caffe.Net(prototxt, caffe.TEST)
    assert net._blobs[net._inputs[0]] is net.blobs["data"]
    assert [net._blob_names[i] for i in net._outputs] == net.outputs
    assert [net._top_ids(i) for i in range(5)] == [[0], [1], [1], [2], [3]]
    assert [net._bottom_ids(i) for i in range(5)] == [[], [0], [1], [1], [2]]


def test_a_gradient_that_no_formula_gives_is_refused(tmp_path: Path) -> None:
    """Where BVLC aborts in backward: a label that depends on a learned parameter."""
    path = tmp_path / "learned_label.prototxt"
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
    layer { name: "max" type: "ArgMax" bottom: "ip" top: "label" argmax_param { axis: 1 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "loss" %s }
    """
    path.write_text(text % "")
    net = caffe.Net(str(path), caffe.TRAIN)
    net.forward()
    with pytest.raises(ValueError, match=r"layer 'loss': SoftmaxWithLoss cannot backpropagate to .* 'label'"):
        net.backward()
    path.write_text(text % "propagate_down: true propagate_down: false")
    net = caffe.Net(str(path), caffe.TRAIN)
    net.forward()
    net.backward()


def test_shared_parameters_with_two_multipliers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shared.prototxt"
    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'
    for name, spec in (("a", "lr_mult: 2"), ("b", "decay_mult: 3"), ("c", "lr_mult: %d")):
        text += f"""
        layer {{ name: "{name}" type: "InnerProduct" bottom: "x" top: "{name}" param {{ name: "w" {spec} }}
                inner_product_param {{ num_output: 3 bias_term: false }} }}"""
    path.write_text(text % 2)
    assert [mults for _, *mults in caffe.Net(str(path), caffe.TRAIN).learnable] == [[2.0, 3.0]]
    path.write_text(text % 1)
    with pytest.raises(ValueError, match=r"layer 'c': Shared param 'w' has mismatched lr_mult: 1, .*'a' 2"):
        caffe.Net(str(path), caffe.TRAIN)
