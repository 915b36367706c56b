"""What is where in a parsed net: its data layers, losses and classifiers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffekit.formats.caffe_pb2 import TEST, TRAIN

PHASES = {"TRAIN": TRAIN, "TEST": TEST}
CLASSIFIER_LOSSES = ("SoftmaxWithLoss", "InfogainLoss", "MultinomialLogisticLoss", "HingeLoss")
LEARNED = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Embed": "embed_param",
}


def parameters(layer: Any) -> Any:
    """The convolution_param, inner_product_param … of a learned layer."""
    return getattr(layer, LEARNED[layer.type])


def phases(layer: Any) -> list[str]:
    """The phases whose net `layer` is part of, going by its include and exclude rules."""
    out = []
    for name, phase in PHASES.items():
        included = any(not rule.HasField("phase") or rule.phase == phase for rule in layer.include)
        excluded = any(not rule.HasField("phase") or rule.phase == phase for rule in layer.exclude)
        if included or (not layer.include and not excluded):
            out.append(name)
    return out


def data_layers(net: Any) -> list[Any]:
    """The layers that read an LMDB."""
    return [layer for layer in net.layer if layer.type == "Data"]


def classifiers(net: Any) -> Iterator[Any]:
    """The learned layers whose outputs are the classes: the last one before each classification loss."""
    seen = set()
    for index, loss in enumerate(net.layer):
        if loss.type in CLASSIFIER_LOSSES and loss.bottom:
            layer = _learned_above(net, index, loss.bottom[0])
            if layer is not None and layer.name not in seen:
                seen.add(layer.name)
                yield layer


def _learned_above(net: Any, index: int, blob: str) -> Any:
    """Follow first bottoms upwards from `blob` to the nearest learned layer."""
    while True:
        above = [i for i in range(index) if blob in net.layer[i].top]
        if not above:
            return None
        index = above[-1]
        layer = net.layer[index]
        if layer.type in LEARNED:
            return layer
        if not layer.bottom or layer.type in ("Concat", "Eltwise", "MarginInnerProduct", "Python"):
            return None  # the classes come from several layers, or from one of its own kind
        blob = layer.bottom[0]
