"""The loss layers: texts from which both engines compute the same, options, and matrices for Infogain."""

from __future__ import annotations

import inspect
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.engines.engine import INSIDE
from caffekit.errors import UsageError
from caffekit.formats.binaryproto import read_blob
from caffekit.formats.caffe_pb2 import TEST, TRAIN, NetParameter
from caffekit.formats.prototxt import parse, to_text
from caffekit.graph import filter_net, infer_shapes
from caffekit.graph.rules_python import OPTIONS
from caffekit.netgen.infogain import infogain_matrix, write_infogain
from caffekit.netgen.losses import (
    LOSSES,
    RANGES,
    Head,
    loss_text,
)
from tests.pycaffe import layer_case

HEAD = Head("features", 3)
INPUTS = """# labels: {labels}
# phase: TRAIN
# seed: 4
# no gradient: label
force_backward: true
layer {{
  name: "in" type: "Input" top: "features" top: "features_p" top: "label"
  input_param {{ shape {{ dim: 9 dim: 6 }} shape {{ dim: 9 dim: 6 }} shape {{ dim: 9 }} }}
}}
"""
CASES: list[tuple[str, int, dict[str, Any]]] = [
    ("softmax", 3, {}),
    ("softmax", 3, {"infogain": "H.binaryproto"}),
    ("contrastive", 2, {"margin": 3}),
    ("triplet", 3, {}),
    ("triplet", 3, {"mining": "batch-hard", "margin": 0.5}),
    ("triplet", 3, {"mining": "batch-all"}),
    ("center", 3, {"alpha": 0.25, "center_weight": 0.1}),
    ("a_softmax", 3, {"margin": 3, "base": 10}),
    ("am_softmax", 3, {"scale": 16}),
    ("euclidean", 3, {}),
    ("sigmoid_cross_entropy", 2, {}),
    ("hinge", 3, {"norm": "L2"}),
]


def write_case(folder: Path, number: int) -> Path:
    loss, labels, options = CASES[number]
    write_infogain(folder / "H.binaryproto", infogain_matrix(3, counts=[1, 2, 6], smoothing=0.1))
    path = folder / f"{number}_{loss}.prototxt"
    path.write_text(INPUTS.format(labels=labels) + loss_text(loss, HEAD, **options))
    return path


def test_every_loss_is_tried() -> None:
    assert {case[0] for case in CASES} == set(LOSSES)


@pytest.mark.bvlc
def test_both_engines_compute_the_same(bvlc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blobs, gradients and starting values of every case, whose text is the same for both."""
    monkeypatch.chdir(tmp_path)
    paths = [write_case(tmp_path, number) for number in range(len(CASES))]
    environment = {**os.environ, "PYTHONPATH": str(INSIDE), "GLOG_minloglevel": "2"}
    subprocess.run([bvlc, layer_case.__file__, *paths], env=environment, check=True)
    for path in paths:
        ours = layer_case.run_case(caffe, str(path))
        assert ours["loss"] > 0, path
        assert np.abs(ours["diff/features"]).max() > 0, path
        with np.load(path.with_suffix(".npz")) as theirs:
            assert set(theirs) == set(ours)
            for name in theirs:
                np.testing.assert_allclose(
                    ours[name], theirs[name], rtol=1e-4, atol=1e-5, err_msg=f"{path.name} {name}"
                )


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number][0])
def test_what_is_written(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both phases fit together; a person could have written it; the loss weight is the one asked for."""
    monkeypatch.chdir(tmp_path)
    loss, _, options = CASES[number]
    text = loss_text(loss, Head("features", 3, weight=0.5), **options)
    assert max(map(len, text.splitlines())) <= 120
    assert not any(line != line.rstrip() or not line for line in text.splitlines())
    net = parse(INPUTS.format(labels=3) + text, NetParameter(), loss)
    assert parse(to_text(net), NetParameter(), loss) == net
    for phase in (TRAIN, TEST):
        shapes = infer_shapes(filter_net(net, phase))
        assert "loss" in shapes
    assert next(layer for layer in net.layer if layer.name == "loss").loss_weight[0] == 0.5
    tested = [layer.name for layer in filter_net(net, TEST).layer if layer.type == "Accuracy"]
    classifies = loss in ("softmax", "center", "a_softmax", "am_softmax", "hinge")
    assert tested == (["accuracy"] if classifies else [])


def test_without_accuracy_and_under_other_names() -> None:
    text = loss_text("am_softmax", Head("fc5", 9, "fc6", "person", accuracy=False))
    assert "Accuracy" not in text
    assert 'top: "fc6"' in text
    assert text.count('bottom: "person"') == 2


WRONG = [
    ("softmx", {}, "net.loss: no 'softmx'; did you mean softmax?"),
    ("triplet", {"margn": 1}, "net.loss triplet: no option 'margn'; did you mean margin?"),
    ("a_softmax", {"margin": 5}, "net.loss a_softmax: margin must be one of 1, 2, 3, 4, got 5"),
    ("am_softmax", {"margin": 2}, "net.loss am_softmax: margin must be a number from 0 to 1, got 2"),
    ("triplet", {"mining": "hard"}, "mining must be one of semi-hard, batch-hard, batch-all, got 'hard'"),
    ("center", {"alpha": "much"}, "alpha must be a number from 0 to 1, got 'much'"),
    ("contrastive", {"margin": True}, "margin must be a number from 0, got True"),
    ("euclidean", {"outputs": 0}, "outputs must be an integer above 0, got 0"),
]


@pytest.mark.parametrize(("loss", "options", "message"), WRONG)
def test_what_is_wrong_is_named(loss: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loss_text(loss, HEAD, **options)
    assert message in str(caught.value)


def test_every_option_has_a_range_and_the_layers_defaults() -> None:
    kinds = {
        "triplet": "TripletLoss",
        "center": "CenterLoss",
        "a_softmax": "ASoftmax",
        "am_softmax": "AMSoftmax",
    }
    for loss, function in LOSSES.items():
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            assert name in RANGES
            of_layer = OPTIONS[kinds[loss]] if loss in kinds else {}
            if name in of_layer:
                assert parameter.default == of_layer[name], (loss, name)


def test_balanced_classes_weigh_the_same() -> None:
    """w_k = N / (C n_k): over the images the mean weight is 1."""
    counts = [10, 30, 60]
    matrix = infogain_matrix(3, counts=counts)
    np.testing.assert_allclose(np.diag(matrix) * counts, [100 / 3] * 3, rtol=1e-6)
    assert (matrix - np.diag(np.diag(matrix)) == 0).all()


def test_smoothing_and_weights_keep_the_size_of_the_loss() -> None:
    matrix = infogain_matrix(4, class_weights=[1, 1, 2, 4], counts=[40, 30, 20, 10], smoothing=0.2)
    rows = matrix.sum(1)
    np.testing.assert_allclose(rows / rows[0], [1, 1, 2, 4], rtol=1e-6)
    np.testing.assert_allclose((rows * [0.4, 0.3, 0.2, 0.1]).sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(matrix[2] / rows[2], [0.05, 0.05, 0.85, 0.05], rtol=1e-6)
    np.testing.assert_array_equal(infogain_matrix(3), np.eye(3))


def test_a_matrix_is_written_for_caffe(tmp_path: Path) -> None:
    matrix = infogain_matrix(3, smoothing=0.3)
    write_infogain(tmp_path / "H.binaryproto", matrix)
    np.testing.assert_array_equal(read_blob(tmp_path / "H.binaryproto").reshape(3, 3), matrix)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": [1, 2]}, "class_weights: expected 3 numbers above 0, one per class"),
        ({"class_weights": [1, 2, float("nan")]}, "class_weights: expected 3 numbers above 0"),
        ({"counts": [4, 0, 4]}, "counts: expected 3 numbers above 0"),
        ({"smoothing": 1}, "smoothing must be from 0 to less than 1, got 1"),
    ],
)
def test_matrices_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        infogain_matrix(3, **options)
