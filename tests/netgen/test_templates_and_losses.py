"""Templates with each loss: what it brings, what is deployed, and what does not go together."""

from __future__ import annotations

from typing import Any

import pytest

from caffekit.errors import UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen import NetOptions, generate
from caffekit.netgen.losses import LOSSES
from tests.netgen.sizes import fitting


def layers(name: str, loss: str | None, **options: Any) -> tuple[list[str], list[str]]:
    """The last types of train_val and of deploy."""
    made = generate(name, fitting(name), NetOptions(loss=loss, loss_options=options))
    nets = (parse(text, NetParameter(), name) for text in (made.train_val, made.deploy))
    train, deploy = ([layer.type for layer in net.layer] for net in nets)
    return train[-4:], deploy[-2:]


@pytest.mark.parametrize(
    ("loss", "train", "deploy"),
    [
        (None, ["Dropout", "InnerProduct", "Accuracy", "SoftmaxWithLoss"], ["InnerProduct", "Softmax"]),
        ("hinge", ["Dropout", "InnerProduct", "Accuracy", "HingeLoss"], ["Dropout", "InnerProduct"]),
        ("center", ["InnerProduct", "Accuracy", "SoftmaxWithLoss", "Python"], ["InnerProduct", "Softmax"]),
        ("a_softmax", ["Dropout", "Python", "Accuracy", "SoftmaxWithLoss"], ["ReLU", "Dropout"]),
        ("am_softmax", ["Dropout", "Python", "Accuracy", "SoftmaxWithLoss"], ["ReLU", "Dropout"]),
        ("triplet", ["Reduction", "Power", "Scale", "Python"], ["ReLU", "Dropout"]),
        ("euclidean", ["ReLU", "Dropout", "InnerProduct", "EuclideanLoss"], ["Dropout", "InnerProduct"]),
        (
            "sigmoid_cross_entropy",
            ["ReLU", "Dropout", "InnerProduct", "SigmoidCrossEntropyLoss"],
            ["InnerProduct", "Sigmoid"],
        ),
    ],
)
def test_a_loss_brings_its_layers(loss: str | None, train: list[str], deploy: list[str]) -> None:
    assert layers("alexnet", loss) == (train, deploy)


def test_outputs_of_losses_of_numbers() -> None:
    made = generate("lenet", fitting("lenet"), NetOptions(loss="euclidean"))
    for text in (made.train_val, made.deploy):
        net = parse(text, NetParameter(), "n")
        assert next(one for one in net.layer if one.name == "ip2").inner_product_param.num_output == 1


def test_class_weights_need_their_classifier_once() -> None:
    made = generate("lenet", fitting("lenet"), NetOptions(loss_options={"infogain": "h.binaryproto"}))
    net = parse(made.train_val, NetParameter(), "n")
    assert [one.type for one in net.layer][-3:] == ["InnerProduct", "Accuracy", "InfogainLoss"]
    assert [one.name for one in net.layer].count("ip2") == 1


def test_face_templates_have_their_published_losses() -> None:
    assert layers("center_face", None)[0][-1] == "Python"
    assert layers("sphereface", None) == layers("sphereface", "a_softmax")
    assert layers("sphereface", "softmax")[1] == ["InnerProduct", "Softmax"]


@pytest.mark.parametrize(
    ("name", "loss", "options", "message"),
    [
        ("lenet", "sotfmax", {}, "net.loss: no 'sotfmax'; did you mean softmax"),
        ("siamese", "softmax", {}, "net.loss: siamese has a loss of its own, contrastive"),
        ("nin", "hinge", {}, "net.loss: the scores of nin come from a convolution"),
        (
            "lenet",
            "am_softmax",
            {"margn": 0.3},
            "net.loss am_softmax: no option 'margn'; did you mean margin",
        ),
        ("lenet", "am_softmax", {"margin": 3}, "margin must be a number from 0 to 1, got 3"),
        ("lenet", "euclidean", {"outputs": 3}, "net.loss_options.outputs: templates read one label an image"),
    ],
)
def test_what_does_not_go_together(name: str, loss: str, options: dict[str, Any], message: str) -> None:
    assert set(LOSSES) > {"softmax"}
    with pytest.raises(UsageError, match=message):
        layers(name, loss, **options)
