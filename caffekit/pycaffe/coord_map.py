"""Where a pixel of one top lies in another, through the spatial layers between them; crops to align tops.

A map is (axis, scale, shift): coordinate x of the top is at scale * x + shift of the bottom, for the axes
after `axis`; (None, 1, 0) is the identity, which holds for every axis. scale and shift are numbers or arrays
with an entry per spatial axis.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from caffekit.pycaffe.net_spec import Function, Top
from caffekit.pycaffe.net_spec import layers as L

Map = tuple[Any, Any, Any]

IDENTITY: Map = (None, 1, 0)
PASS_THROUGH_LAYERS = [
    "AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN", "Exp", "MVN", "Power",
    "ReLU", "PReLU", "Scale", "Sigmoid", "Split", "TanH", "Threshold",
]  # fmt: skip
"""Layers that leave every pixel where it is."""


class UndefinedMapException(Exception):
    """A layer has no map of coordinates (InnerProduct, for one)."""


class AxisMismatchException(Exception):
    """Two maps that are to be composed start from different axes."""


def conv_params(fn: Function) -> tuple[int, Any, Any, Any]:
    """(axis, stride, extent of the dilated kernel, pad) of a layer that slides a kernel.

    AssertionError for the legacy fields kernel_h, pad_w and so on.
    """
    legacy = {"pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w"} & set(fn.params)
    if legacy:
        raise AssertionError(f"cropping does not support legacy _h/_w params: {', '.join(sorted(legacy))}")
    params = fn.params.get("convolution_param", fn.params)
    kernel, dilation, stride, pad = (
        np.array(value, ndmin=1)
        for value in (
            params["kernel_size"],
            params.get("dilation", 1),
            params.get("stride", 1),
            params.get("pad", 0),
        )
    )
    return params.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, Any]:
    """(axis, offset) of a Crop layer, by default from axis 2 on and from 0."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> Map:
    """The map of a layer, from its top to its bottom; UndefinedMapException if it has none."""
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset
    if fn.type_name in PASS_THROUGH_LAYERS:
        return IDENTITY
    raise UndefinedMapException(f"{fn.type_name} has no map of coordinates")


def compose(base_map: Map, next_map: Map) -> Map:
    """First `next_map`, then `base_map`; AxisMismatchException when they start from different axes."""
    base_axis, base_scale, base_shift = base_map
    next_axis, next_scale, next_shift = next_map
    if None not in (base_axis, next_axis) and base_axis != next_axis:
        raise AxisMismatchException(f"maps from axis {base_axis} and from axis {next_axis}")
    axis = next_axis if base_axis is None else base_axis
    return axis, base_scale * next_scale, base_scale * next_shift + base_shift


def inverse(coord_map: Map) -> Map:
    """The map the other way."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map between two tops, through their nearest common source; RuntimeError if they have none."""
    from_maps = dict(_sources(top_from))
    for top, to_map in _sources(top_to):
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise RuntimeError("Could not compute map between tops; are they connected by spatial layers?")


def _sources(top: Top) -> Iterator[tuple[Top, Map]]:
    """`top` and what it is made from, as far as spatial layers lead, each with the map to it."""
    seen = {top}
    waiting: deque[tuple[Top, Map]] = deque([(top, IDENTITY)])
    while waiting:
        top, so_far = waiting.popleft()
        yield top, so_far
        # Of Crop's bottoms the second one lends its size only.
        bottoms = top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs
        try:
            for bottom in bottoms:
                if bottom not in seen:
                    seen.add(bottom)
                    waiting.append((bottom, compose(so_far, coord_map(top.fn))))
        except UndefinedMapException:
            continue


def crop(top_from: Top, top_to: Top) -> Any:
    """A Crop layer that cuts `top_from` to the place of `top_to`.

    AssertionError where no crop can: their scales differ, or the offset is negative or no whole number.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    for right, what in (
        (np.all(scale == 1), f"scale mismatch on crop (a = {scale})"),
        (np.all(shift <= 0), f"cannot crop negative offset (b = {shift})"),
        (np.all(np.round(shift) == shift), f"cannot crop noninteger offset (b = {shift})"),
    ):
        if not right:
            raise AssertionError(what)
    offset = (-np.round(np.atleast_1d(shift)).astype(int)).tolist()
    return L.Crop(top_from, top_to, crop_param={"axis": 2 if axis is None else axis + 1, "offset": offset})
