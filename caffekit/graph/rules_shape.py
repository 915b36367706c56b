"""Shapes of layers that only rearrange: join, cut, reshape, repeat, reduce."""

from __future__ import annotations

import math
from typing import Any

from caffekit.graph.axes import Shape, Shapes, axis_of, checked, need


def concat(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The bottoms one after the other along `axis`; their other axes agree."""
    param = layer.concat_param
    at = axis_of(layer, param.concat_dim if param.HasField("concat_dim") else param.axis, bottoms[0])
    rests = {shape[:at] + shape[at + 1 :] for shape in bottoms}
    need(layer, len(rests) == 1, f"its bottoms must agree but for axis {at}, got {bottoms}")
    return [(*bottoms[0][:at], sum(shape[at] for shape in bottoms), *bottoms[0][at + 1 :])], []


def slice_(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The bottom cut along `axis`, at the slice_points or into equal parts."""
    param, bottom, tops = layer.slice_param, bottoms[0], len(layer.top)
    at = axis_of(layer, param.slice_dim if param.HasField("slice_dim") else param.axis, bottom)
    points = list(param.slice_point)
    if not points:
        need(layer, bottom[at] % tops == 0, f"{bottom[at]} (axis {at}) cannot be cut into {tops} equal tops")
        points = [bottom[at] // tops * i for i in range(1, tops)]
    need(layer, len(points) == tops - 1, f"{tops} tops take {tops - 1} slice_points, got {len(points)}")
    bounds = [0, *points, bottom[at]]
    sizes = [end - start for start, end in zip(bounds, bounds[1:], strict=False)]
    need(layer, min(sizes) > 0, f"slice_points {points} must rise within {bottom[at]} (axis {at})")
    return [(*bottom[:at], size, *bottom[at + 1 :]) for size in sizes], []


def eltwise(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As the bottoms, which have one shape."""
    coefficients = len(layer.eltwise_param.coeff)
    need(layer, len(set(bottoms)) == 1, f"its bottoms must have one shape, got {bottoms}")
    fits = coefficients in (0, len(bottoms))
    need(layer, fits, f"coeff must be given once per bottom ({len(bottoms)}), got {coefficients}")
    return [bottoms[0]], []


def flatten(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The axes from `axis` to `end_axis` as one."""
    param, bottom = layer.flatten_param, bottoms[0]
    start, end = axis_of(layer, param.axis, bottom), axis_of(layer, param.end_axis, bottom)
    need(layer, start <= end, f"axis {start} comes after end_axis {end}")
    return [(*bottom[:start], math.prod(bottom[start : end + 1]), *bottom[end + 1 :])], []


def reshape(layer: Any, bottoms: list[Shape]) -> Shapes:
    """`shape` in place of num_axes axes from `axis` on: 0 copies the bottom's size, -1 takes what is left."""
    param, bottom = layer.reshape_param, bottoms[0]
    start = param.axis if param.axis >= 0 else len(bottom) + param.axis + 1
    end = len(bottom) if param.num_axes == -1 else start + param.num_axes
    fits = 0 <= start <= end <= len(bottom)
    need(layer, fits, f"axis {param.axis} and num_axes {param.num_axes} do not fit its bottom {bottom}")
    wanted = list(param.shape.dim)
    copied = [i for i, dim in enumerate(wanted) if dim == 0]
    need(layer, all(start + i < len(bottom) for i in copied), f"0 copies an axis that {bottom} does not have")
    sizes = [bottom[start + i] if i in copied else dim for i, dim in enumerate(wanted)]
    need(layer, sizes.count(-1) <= 1 and min(sizes, default=1) >= -1, f"shape {wanted}: -1 once, else sizes")
    if -1 in sizes:
        known = math.prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = math.prod(bottom[start:end]) // known if known else 0
    top = (*bottom[:start], *sizes, *bottom[end:])
    fits = math.prod(top) == math.prod(bottom)
    need(layer, fits, f"its bottom {bottom} has {math.prod(bottom)} values, its top {top} {math.prod(top)}")
    return [top], []


def tile(layer: Any, bottoms: list[Shape]) -> Shapes:
    """`tiles` times along `axis`."""
    param = layer.tile_param
    need(layer, param.tiles > 0, "tiles is missing or not positive")
    at = axis_of(layer, param.axis, bottoms[0])
    return [(*bottoms[0][:at], bottoms[0][at] * param.tiles, *bottoms[0][at + 1 :])], []


def reduction(layer: Any, bottoms: list[Shape]) -> Shapes:
    """One value in place of all axes from `axis` on."""
    return [bottoms[0][: axis_of(layer, layer.reduction_param.axis, bottoms[0])]], []


def batch_reindex(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The items of the first bottom that the second names."""
    need(layer, len(bottoms[1]) == 1, f"its second bottom must have one axis, got shape {bottoms[1]}")
    return [(*bottoms[1], *bottoms[0][1:])], []


def filter_(layer: Any, bottoms: list[Shape]) -> Shapes:
    """All bottoms but the last, which chooses items: the full batch until the first forward."""
    return list(bottoms[: len(layer.top)]), []


def silence(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Nothing."""
    return [], []


def input_(layer: Any, bottoms: list[Shape]) -> Shapes:
    """What input_param says, once for all tops or once each."""
    return _each_top(layer, [tuple(shape.dim) for shape in layer.input_param.shape]), []


def dummy_data(layer: Any, bottoms: list[Shape]) -> Shapes:
    """What dummy_data_param says, as shapes or as the legacy num, channels, height and width."""
    param, tops = layer.dummy_data_param, len(layer.top)
    shapes = [tuple(shape.dim) for shape in param.shape]
    if not shapes:
        sizes = [param.num, param.channels, param.height, param.width]
        each = [list(size) * tops if len(size) == 1 else list(size) for size in sizes]
        fits = all(len(size) == tops for size in each)
        need(layer, fits, f"num, channels, height and width take 1 value or one per top ({tops})")
        shapes = list(zip(*each, strict=True))
    return _each_top(layer, shapes), []


def _each_top(layer: Any, shapes: list[Shape]) -> list[Shape]:
    """One shape per top; a single one is for all."""
    tops = len(layer.top)
    need(layer, len(shapes) in (1, tops), f"takes one shape or one per top ({tops}), got {len(shapes)}")
    return [checked(layer, shape) for shape in (shapes * tops if len(shapes) == 1 else shapes)]


def memory_data(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Images and labels of memory_data_param's sizes."""
    param = layer.memory_data_param
    image = checked(layer, (param.batch_size, param.channels, param.height, param.width))
    return [image, (param.batch_size,)], []


def parameter(layer: Any, bottoms: list[Shape]) -> Shapes:
    """The parameter is the top."""
    shape = checked(layer, tuple(layer.parameter_param.shape.dim))
    return [shape], [shape]
