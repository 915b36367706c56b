"""Shapes of layers that look at windows: convolutions and pooling."""

from __future__ import annotations

import math
from typing import Any

from caffekit.errors import FormatError
from caffekit.graph.axes import Shape, Shapes, axis_of, checked, need
from caffekit.graph.geometry import Spatial, convolved_size, pooled_size, pooling_geometry, spatial


def convolution(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Channels num_output, sizes rounded down; axes before `axis` are batch.

    Parameters: weights (num_output, C / group, k…), bias.
    """
    g, at = _geometry(layer, bottoms)
    param = layer.convolution_param
    top = (*bottoms[0][:at], param.num_output, *convolved_size(layer, bottoms[0][at + 1 :], g))
    weight = (param.num_output, bottoms[0][at] // param.group, *g.kernel)
    return [top] * len(bottoms), [weight, (param.num_output,)][: 1 + param.bias_term]


def deconvolution(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Convolution the other way round: sizes stride (H − 1) + dilated kernel − 2 pad.

    Parameters: weights (C, num_output / group, k…), bias.
    """
    g, at = _geometry(layer, bottoms)
    param = layer.convolution_param
    sizes = (
        s * (h - 1) + d * (k - 1) + 1 - 2 * p
        for h, k, s, p, d in zip(bottoms[0][at + 1 :], g.kernel, g.stride, g.pad, g.dilation, strict=True)
    )
    top = checked(layer, (*bottoms[0][:at], param.num_output, *sizes))
    weight = (bottoms[0][at], param.num_output // param.group, *g.kernel)
    return [top] * len(bottoms), [weight, (param.num_output,)][: 1 + param.bias_term]


def _geometry(layer: Any, bottoms: list[Shape]) -> tuple[Spatial, int]:
    """The geometry, and the axis of the channels."""
    param = layer.convolution_param
    at = axis_of(layer, param.axis, bottoms[0])
    channels, outputs = bottoms[0][at], param.num_output
    need(layer, outputs > 0, "num_output is missing or 0")
    need(layer, param.group > 0, "group must be positive, got 0")
    need(
        layer,
        channels % param.group == 0 and outputs % param.group == 0,
        f"{channels} channels and num_output {outputs} must both be multiples of group {param.group}",
    )
    need(layer, len(set(bottoms)) == 1, f"its bottoms must have one shape, got {bottoms}")
    return spatial(layer, len(bottoms[0]) - at - 1), at


def im2col(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Every window as a column: C · k… channels."""
    at = axis_of(layer, layer.convolution_param.axis, bottoms[0])
    g = spatial(layer, len(bottoms[0]) - at - 1)
    channels = bottoms[0][at] * math.prod(g.kernel)
    return [(*bottoms[0][:at], channels, *convolved_size(layer, bottoms[0][at + 1 :], g))] * len(bottoms), []


def pooling(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Sizes rounded up, see geometry.pooled_size; the optional second top (argmax) has the same shape."""
    g = pooling_geometry(layer, bottoms[0])
    top = checked(layer, (*bottoms[0][:2], *pooled_size(layer, bottoms[0][2:], g)))
    return [top] * max(1, len(layer.top)), []


def spp(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Pooling into 1, 4, 16, … bins, flattened and concatenated; pyramid_height 1 is plain pooling."""
    levels = layer.spp_param.pyramid_height
    need(layer, len(bottoms[0]) == 4, f"SPP takes a bottom N, C, H, W, got shape {bottoms[0]}")
    need(layer, levels > 0, "pyramid_height is missing or 0")
    n, c, h, w = bottoms[0]
    bins = 2 ** (levels - 1)
    if bins > h or bins > w:
        raise FormatError(f"layer '{layer.name}': pyramid_height {levels} makes {bins} bins, of {h}x{w}")
    if levels == 1:
        return [(n, c, 1, 1)], []
    return [(n, c * sum(_bins(layer, h, i) * _bins(layer, w, i) for i in range(levels)))], []


def _bins(layer: Any, size: int, level: int) -> int:
    """How many windows Caffe's padding and rounding give a side of `size`; not always 2^level."""
    wanted = 1 << level
    kernel = -(-size // wanted)
    pad = (kernel * wanted - size + 1) // 2
    need(layer, pad < kernel, f"{wanted} bins of a side of {size} take pad {pad}, not below kernel {kernel}")
    n = -(-(size + 2 * pad - kernel) // kernel) + 1
    return n - 1 if pad and (n - 1) * kernel >= size + pad else n


def crop(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The first bottom, from `axis` (2) on cut to the sizes of the second, `offset` in."""
    source, target = bottoms
    param = layer.crop_param
    at = axis_of(layer, param.axis, source)
    offsets = list(param.offset) or [0]
    count = len(source) - at
    need(layer, len(source) == len(target), f"its bottoms must have as many axes, got {source} and {target}")
    need(layer, len(offsets) in (1, count), f"offset must be given once or {count} times, got {len(offsets)}")
    for i in range(count):
        start = offsets[i if len(offsets) > 1 else 0]
        fits = start + target[at + i] <= source[at + i]
        need(layer, fits, f"axis {at + i}: offset {start} + {target[at + i]} is beyond {source[at + i]}")
    return [source[:at] + target[at:]], []
