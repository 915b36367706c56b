"""Shapes of layers whose top is as the bottom, with or without parameters, and of fully connected ones."""

from __future__ import annotations

import math
from typing import Any

from caffekit.graph.axes import Shape, Shapes, axis_of, need


def same(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Elementwise layers: the top is as the bottom."""
    return [bottoms[0]], []


def every_top(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Split: each top is as the bottom."""
    return [bottoms[0]] * len(layer.top), []


def softmax(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom."""
    axis_of(layer, layer.softmax_param.axis, bottoms[0])
    return [bottoms[0]], []


def lrn(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom, which has four axes; an odd local_size."""
    need(layer, len(bottoms[0]) == 4, f"LRN takes a bottom N, C, H, W, got shape {bottoms[0]}")
    size = layer.lrn_param.local_size
    need(layer, size % 2 == 1, f"local_size must be odd, got {size}")
    return [bottoms[0]], []


def mvn(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom, always with four axes."""
    need(layer, len(bottoms[0]) <= 4, f"MVN takes at most 4 axes, got shape {bottoms[0]}")
    return [bottoms[0] + (1,) * (4 - len(bottoms[0]))], []


def prelu(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom; one slope per channel, or one in all."""
    need(layer, len(bottoms[0]) >= 2, f"PReLU takes a bottom of 2 axes or more, got shape {bottoms[0]}")
    return [bottoms[0]], [() if layer.prelu_param.channel_shared else (bottoms[0][1],)]


def batch_norm(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom; sums of means and of variances per channel, and their count."""
    need(layer, len(bottoms[0]) >= 2, f"BatchNorm takes a bottom of 2 axes or more, got shape {bottoms[0]}")
    return [bottoms[0]], [(bottoms[0][1],), (bottoms[0][1],), (1,)]


def scale(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom; factors (unless a second bottom brings them), then with bias_term as many terms."""
    shape = _broadcast(layer, bottoms, layer.scale_param)
    params = [shape] * ((len(bottoms) == 1) + layer.scale_param.bias_term)
    return [bottoms[0]], params


def bias(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottom; terms, unless a second bottom brings them."""
    shape = _broadcast(layer, bottoms, layer.bias_param)
    return [bottoms[0]], [shape] * (len(bottoms) == 1)


def _broadcast(layer: Any, bottoms: list[Shape], param: Any) -> Shape:
    """The axes of the bottom from `axis` on that factors or terms cover."""
    if len(bottoms) > 1:
        at = axis_of(layer, param.axis, bottoms[0]) if bottoms[1] else 0
        fits = bottoms[0][at : at + len(bottoms[1])] == bottoms[1]
        need(layer, fits, f"its second bottom {bottoms[1]} does not fit {bottoms[0]} from axis {at} on")
        return bottoms[1]
    if param.num_axes == 0:
        return ()
    at = axis_of(layer, param.axis, bottoms[0])
    end = len(bottoms[0]) if param.num_axes == -1 else at + param.num_axes
    fits = at < end <= len(bottoms[0])
    need(layer, fits, f"its bottom {bottoms[0]} has no {param.num_axes} axes from axis {at} on")
    return bottoms[0][at:end]


def inner_product(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The axes from `axis` on become one of num_output. Weights (num_output, inputs), or transposed."""
    param = layer.inner_product_param
    need(layer, param.num_output > 0, "num_output is missing or 0")
    at = axis_of(layer, param.axis, bottoms[0])
    inputs = math.prod(bottoms[0][at:])
    weight: Shape = (inputs, param.num_output) if param.transpose else (param.num_output, inputs)
    return [(*bottoms[0][:at], param.num_output)], [weight, (param.num_output,)][: 1 + param.bias_term]


def embed(layer: Any, bottoms: list[Shape]) -> Shapes:
    """A row of num_output for every index below input_dim."""
    param = layer.embed_param
    need(layer, param.num_output > 0 and param.input_dim > 0, "num_output and input_dim must both be given")
    weight = (param.input_dim, param.num_output)
    return [(*bottoms[0], param.num_output)], [weight, (param.num_output,)][: 1 + param.bias_term]
