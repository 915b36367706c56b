"""One table of shape rules, used by net generation, lint and the embedded engine alike.

A rule gets a LayerParameter and the shapes of its bottoms, and gives the shapes of its tops and of its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from caffekit.errors import FormatError
from caffekit.graph.geometry import Shape, Spatial, pooled_size, pooling_geometry, spatial

Shapes = tuple[list[Shape], list[Shape]]
Rule = Callable[[Any, list[Shape]], Shapes]


def same(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Elementwise layers: the top is as the bottom."""
    return [bottoms[0]], []


def convolution(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Floor rule: (H + 2 pad − (dilation (k − 1) + 1)) / stride + 1."""
    param = layer.convolution_param
    g = spatial(layer, len(bottoms[0]) - 2)
    channels, outputs = bottoms[0][1], param.num_output
    if channels % param.group or outputs % param.group:
        raise FormatError(
            f"layer '{layer.name}': {channels} channels and num_output {outputs} must be multiples of group {param.group}"
        )
    tops: list[Shape] = []
    for bottom in bottoms:
        sizes = [
            (h + 2 * p - (d * (k - 1) + 1)) // s + 1
            for h, k, s, p, d in zip(bottom[2:], g.kernel, g.stride, g.pad, g.dilation, strict=True)
        ]
        tops.append(checked(layer, (bottom[0], outputs, *sizes)))
    return tops, [(outputs, channels // param.group, *g.kernel), (outputs,)][: 1 + param.bias_term]


def pooling(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Ceil rule, see geometry.pooled_size; the optional second top (argmax) has the same shape."""
    g = pooling_geometry(layer, bottoms[0])
    top = checked(layer, (*bottoms[0][:2], *pooled_size(layer, bottoms[0][2:], g)))
    return [top] * max(1, len(layer.top)), []


def inner_product(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The axes from `axis` on are flattened."""
    param = layer.inner_product_param
    axis = param.axis % len(bottoms[0])
    inputs = math.prod(bottoms[0][axis:])
    weight = (inputs, param.num_output) if param.transpose else (param.num_output, inputs)
    top = checked(layer, (*bottoms[0][:axis], param.num_output))
    return [top], [weight, (param.num_output,)][: 1 + param.bias_term]


def prelu(layer: Any, bottoms: list[Shape]) -> Shapes:
    """One slope per channel, or one in all."""
    return [bottoms[0]], [() if layer.prelu_param.channel_shared else (bottoms[0][1],)]


def softmax_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """A scalar, and the probabilities as a second top."""
    tops: list[Shape] = [(), bottoms[0]]
    return tops[: max(1, len(layer.top))], []


def accuracy(layer: Any, bottoms: list[Shape]) -> Shapes:
    """A scalar, and one value per class as a second top."""
    tops: list[Shape] = [(), (bottoms[0][layer.accuracy_param.axis],)]
    return tops[: max(1, len(layer.top))], []


def split(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Every top is as the bottom."""
    return [bottoms[0]] * len(layer.top), []


def checked(layer: Any, shape: Shape) -> Shape:
    """`shape`, if every axis has a size; FormatError naming the layer otherwise."""
    if any(side <= 0 for side in shape):
        raise FormatError(
            f"layer '{layer.name}': its output would be {'x'.join(map(str, shape))}: num_output is missing,"
            " or the kernel is larger than its (padded) input"
        )
    return shape


SHAPE_RULES: dict[str, Rule] = {
    "Accuracy": accuracy,
    "Convolution": convolution,
    "Dropout": same,
    "ELU": same,
    "InnerProduct": inner_product,
    "LRN": same,
    "PReLU": prelu,
    "Pooling": pooling,
    "ReLU": same,
    "Sigmoid": same,
    "Softmax": same,
    "SoftmaxWithLoss": softmax_loss,
    "Split": split,
    "TanH": same,
}

__all__ = ["SHAPE_RULES", "Rule", "Shape", "Shapes", "Spatial", "pooling_geometry", "spatial"]
