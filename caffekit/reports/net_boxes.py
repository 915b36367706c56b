"""A net as boxes and arrows: what is done in place, or at once behind, shares a box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import EltwiseParameter, PoolingParameter
from caffekit.formats.prototxt import to_text
from caffekit.graph.geometry import Spatial, pooling_geometry, spatial
from caffekit.graph.parameters import Cost

# Kinds of box, for their colours.
KINDS = {
    "data": {"Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "Input", "Parameter"},
    "convolution": {"Convolution", "Deconvolution", "DepthwiseConvolution", "ConvolutionDepthwise"},
    "inner-product": {"InnerProduct", "Embed", "LSTM", "RNN", "MarginInnerProduct"},
    "pooling": {"Pooling", "SPP"},
    "norm": {"BatchNorm", "LRN", "MVN", "Scale", "Bias", "Normalize"},
    "join": {"Eltwise", "Concat", "Slice", "Flatten", "Reshape", "Crop", "Split"},
}
ACTIVATIONS = {
    "AbsVal", "BNLL", "Clip", "Dropout", "ELU", "Exp", "Log", "PReLU", "Power", "ReLU", "ReLU6", "Sigmoid",
    "Swish", "TanH", "Threshold",
}  # fmt: skip
FOLLOWS = ACTIVATIONS | KINDS["norm"]
"""Types that join the box before them when nothing else reads what they read."""


@dataclass
class Box:
    """Layers that are drawn as one; `label` is whether it reads what a data layer gives beside its images."""

    kind: str
    name: str
    what: str
    more: list[str] = field(default_factory=list)
    tip: str = ""
    shape: str = ""
    parameters: int = 0
    label: str = ""


def boxes_of(net: Any, costs: Sequence[Cost]) -> tuple[list[Box], list[tuple[int, int]]]:
    """The boxes of `net` (of one phase) in order, and the arrows between them as pairs of indices."""
    readers = Counter(bottom for layer in net.layer for bottom in layer.bottom)
    writes = Counter(top for layer in net.layer for top in layer.top)
    boxes: list[Box] = []
    made: dict[str, int] = {}
    labels: set[str] = set()
    edges: list[tuple[int, int]] = []
    for layer, cost in zip(net.layer, costs, strict=True):
        feeds = [bottom for bottom in layer.bottom if bottom in made]
        if _joins(layer, feeds, readers, writes):
            index = made[feeds[0]]
            boxes[index].more.append(f"{layer.type}{_after(layer)}")
        else:
            index = len(boxes)
            boxes.append(Box(kind_of(layer.type), layer.name, f"{layer.type}{_after(layer, cost)}"))
            boxes[index].label = ", ".join(bottom for bottom in layer.bottom if bottom in labels)
            edges += [(made[bottom], index) for bottom in dict.fromkeys(feeds) if bottom not in labels]
        _add(boxes[index], layer, cost)
        made |= dict.fromkeys(layer.top, index)
        if boxes[index].kind == "data":
            labels.update(layer.top[1:])
    return boxes, list(dict.fromkeys(edges))


def _joins(layer: Any, feeds: list[str], readers: Counter[str], writes: Counter[str]) -> bool:
    if len(feeds) != 1 or len(layer.bottom) != 1 or len(layer.top) != 1:
        return False
    alone = readers[feeds[0]] == 1 and layer.type in FOLLOWS
    return list(layer.bottom) == list(layer.top) or (alone and writes[feeds[0]] == 1)


def _add(box: Box, layer: Any, cost: Cost) -> None:
    box.parameters += cost.parameters
    box.tip += to_text(layer)
    if cost.tops and len(cost.tops[0]) > 1:
        box.shape = "×".join(str(size) for size in cost.tops[0][1:])


def kind_of(layer_type: str) -> str:
    """The kind of box for a layer type."""
    if layer_type.endswith("Loss") or layer_type in ("Softmax", "Accuracy"):
        return "loss"
    if layer_type in ACTIVATIONS:
        return "activation"
    return next((kind for kind, types in KINDS.items() if layer_type in types), "other")


def _after(layer: Any, cost: Cost | None = None) -> str:
    """The numbers that tell the layer from others of its type."""
    if layer.type in KINDS["convolution"]:
        param = layer.convolution_param
        group = f", group {param.group}" if param.group > 1 else ""
        return f" {_window(_geometry(layer, cost))}{group} → {param.num_output}"
    if layer.type == "Pooling":
        method = PoolingParameter.PoolMethod.Name(layer.pooling_param.pool)
        size = "global" if layer.pooling_param.global_pooling else _window(_geometry(layer, cost))
        return f" {method} {size}"
    if layer.type == "InnerProduct":
        return f" → {layer.inner_product_param.num_output}"
    if layer.type == "Eltwise":
        return f" {EltwiseParameter.EltwiseOp.Name(layer.eltwise_param.operation)}"
    if layer.type == "Dropout":
        return f" {layer.dropout_param.dropout_ratio:g}"
    if layer.type.endswith("Loss") and any(weight != 1 for weight in layer.loss_weight):
        return f" × {', '.join(f'{weight:g}' for weight in layer.loss_weight)}"
    return ""


def _geometry(layer: Any, cost: Cost | None) -> Spatial | None:
    axes = len(cost.tops[0]) - 2 if cost and cost.tops else 2
    try:
        return pooling_geometry(layer, (1, 1, 1, 1)) if layer.type == "Pooling" else spatial(layer, axes)
    except FormatError:
        return None


def _window(of: Spatial | None) -> str:
    """Kernel, stride and padding as people write them: 3×3/2 pad 1."""
    if of is None:
        return ""
    stride = f"/{_once(of.stride)}" if set(of.stride) != {1} else ""
    pad = f" pad {_once(of.pad)}" if any(of.pad) else ""
    dilation = f" dilation {_once(of.dilation)}" if set(of.dilation) != {1} else ""
    return f"{'×'.join(map(str, of.kernel))}{stride}{pad}{dilation}"


def _once(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))
