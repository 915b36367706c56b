"""Deploy nets of nets that the user wrote."""

from __future__ import annotations

from typing import Any

from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen.own import deploy_net
from caffekit.netgen.templates import Data

DATA = 'layer { name: "data" type: "Data" top: "data" top: "label" }'
SIZE = Data(train="t", train_images=9, classes=4, channels=3, height=8, width=8)


def deployed(layers: str) -> list[tuple[str, list[str], list[str]]]:
    net: Any = deploy_net(parse(DATA + layers, NetParameter(), "net"), SIZE)
    return [(layer.type, list(layer.bottom), list(layer.top)) for layer in net.layer[1:]]


def test_a_margin_is_for_training_only() -> None:
    """AM-Softmax: what is added to the true class falls away, what follows stays."""
    text = """
    layer { type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { normalize: true } }
    layer { type: "LabelSpecificAdd" bottom: "fc" bottom: "label" top: "margin" }
    layer { type: "Scale" bottom: "margin" top: "margin" }
    layer { type: "ReLU" bottom: "margin" top: "y" }
    layer { type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }
    """
    assert deployed(text) == [
        ("InnerProduct", ["data"], ["fc"]),
        ("Scale", ["fc"], ["margin"]),
        ("ReLU", ["margin"], ["y"]),
        ("Softmax", ["y"], ["prob"]),
    ]


def test_scores_that_need_labels_are_not_deployed() -> None:
    """A-Softmax: the features are the output, as in SphereFace's own deploy net."""
    text = """
    layer { type: "InnerProduct" bottom: "data" top: "fc" }
    layer { type: "MarginInnerProduct" bottom: "fc" bottom: "label" top: "fc6" top: "lambda" }
    layer { type: "SoftmaxWithLoss" bottom: "fc6" bottom: "label" top: "loss" }
    layer { type: "CenterLoss" bottom: "fc" bottom: "label" top: "center" }
    """
    assert deployed(text) == [("InnerProduct", ["data"], ["fc"])]
