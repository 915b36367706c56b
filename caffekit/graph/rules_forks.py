"""Shapes and parameters of layers that only forks of Caffe have."""

from __future__ import annotations

import math
from typing import Any

from caffekit.formats.proto import message_class
from caffekit.graph.axes import Shape, Shapes, axis_of, need
from caffekit.graph.geometry import convolved_size, spatial

OF_FORKS = {
    "CenterLoss": "ydwen/caffe-face",
    "ConvolutionDepthwise": "farmingyard/caffe-mobilenet",
    "DepthwiseConvolution": "yonghenglh6/DepthwiseConvolution",
    "Flip": "happynear/caffe-windows",
    "LabelSpecificAdd": "happynear/caffe-windows",
    "MarginInnerProduct": "wy1iu/sphereface",
    "Normalize": "happynear/caffe-windows",
    "ReLU6": "rog93/Caffe-MobileNetV2-ReLU6",
    "TripletLoss": "happynear/caffe-windows",
}
"""Types that BVLC Caffe does not have, and the fork whose definition they follow here."""

HOMES = {
    "center_loss_param": "caffe_face",
    "flip_param": "happynear",
    "label_specific_add_param": "happynear",
    "margin_inner_product_param": "sphereface",
    "normalize_param": "happynear",
    "relu6_param": "relu6",
    "triplet_loss_param": "happynear",
}
"""Where the defaults of a fork's field are found (forks/NAME.proto)."""


def fork_param(layer: Any, field: str) -> Any:
    """`layer`'s parameters of a fork; their defaults where its file was read as another Caffe's."""
    found = getattr(layer, field, None)
    return getattr(message_class("LayerParameter", HOMES[field])(), field) if found is None else found


def center_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """A scalar. Centers (num_output, values per feature)."""
    return [()], [_per_class(layer, bottoms, fork_param(layer, "center_loss_param"))]


def margin_inner_product(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As InnerProduct without a bias; lambda (1) as a second top."""
    param = fork_param(layer, "margin_inner_product_param")
    weight = _per_class(layer, bottoms, param)
    at = axis_of(layer, param.axis, bottoms[0])
    return [(*bottoms[0][:at], param.num_output), (1,)][: len(layer.top)], [weight]


def label_specific_add(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the first bottom; the bias (1) as a second top."""
    _labels(layer, bottoms[0][:1], bottoms[1])
    return [bottoms[0], (1,)][: len(layer.top)], []


def triplet_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Anchors, positives and negatives of one shape; a scalar."""
    same = len(set(bottoms)) == 1 and len(bottoms[0]) > 0
    need(layer, same, f"anchors, positives and negatives must have one shape, got {bottoms}")
    return [()], []


def normalize(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom, always with four axes; the norms (N, 1, H, W) as a second top."""
    need(layer, 1 <= len(bottoms[0]) <= 4, f"Normalize takes 1 to 4 axes, got shape {bottoms[0]}")
    shape = bottoms[0] + (1,) * (4 - len(bottoms[0]))
    return [shape, (shape[0], 1, *shape[2:])][: len(layer.top)], []


def flip(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom, which has four axes."""
    need(layer, len(bottoms[0]) == 4, f"Flip takes a bottom N, C, H, W, got shape {bottoms[0]}")
    return [bottoms[0]], []


def depthwise_group(layer: Any, channels: int) -> int:
    """The groups of a DepthwiseConvolution: one per channel, unless its file says otherwise."""
    param = layer.convolution_param
    return int(param.group) if param.HasField("group") else channels


def depthwise_convolution(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As Convolution, with a group for each channel. Weights (num_output, C / group, k, k), bias."""
    g, param = spatial(layer, len(bottoms[0]) - 2), layer.convolution_param
    channels, outputs = bottoms[0][1], param.num_output
    group = depthwise_group(layer, channels)
    need(layer, outputs > 0, "num_output is missing or 0")
    need(layer, group > 0, "group must be positive, got 0")
    need(
        layer,
        channels % group == 0 and outputs % group == 0,
        f"{channels} channels and num_output {outputs} must both be multiples of group {group}",
    )
    need(layer, len(set(bottoms)) == 1, f"its bottoms must have one shape, got {bottoms}")
    top = (bottoms[0][0], outputs, *convolved_size(layer, bottoms[0][2:], g))
    params: list[Shape] = [(outputs, channels // group, *g.kernel), (outputs,)]
    return [top] * len(bottoms), params[: 1 + param.bias_term]


def convolution_depthwise(layer: Any, bottoms: list[Shape]) -> Shapes:
    """One filter per channel, whatever num_output says. Weights (C, 1, kh, kw), bias."""
    need(layer, len(bottoms[0]) == 4, f"{layer.type} takes a bottom N, C, H, W, got shape {bottoms[0]}")
    g, channels = spatial(layer, 2), bottoms[0][1]
    top = (*bottoms[0][:2], *convolved_size(layer, bottoms[0][2:], g))
    params: list[Shape] = [(channels, 1, *g.kernel), (channels,)]
    return [top], params[: 1 + layer.convolution_param.bias_term]


def _per_class(layer: Any, bottoms: list[Shape], param: Any) -> Shape:
    """(num_output, values per feature), if there is a label for every feature."""
    need(layer, param.num_output > 0, "num_output is missing or 0")
    at = axis_of(layer, param.axis, bottoms[0])
    _labels(layer, bottoms[0][:at], bottoms[1])
    return (param.num_output, math.prod(bottoms[0][at:]))


def _labels(layer: Any, features: Shape, labels: Shape) -> None:
    wanted, got = math.prod(features), math.prod(labels)
    need(layer, wanted == got, f"its {wanted} features take as many labels, got {got} (shape {labels})")
