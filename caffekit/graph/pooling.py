"""Pooling windows that hold no pixel, and what Caffe makes of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from caffekit.formats.caffe_pb2 import PoolingParameter
from caffekit.graph.geometry import Shape, pooled_size, pooling_geometry

FLT_MAX = 3.4028234663852886e38


class EmptyWindow(NamedTuple):
    """The last window of an axis starts at pixel `start` of `size`; Caffe's output there is `value`."""

    axis: str
    start: int
    size: int
    value: float


def empty_window(layer: Any, bottom: Shape) -> EmptyWindow | None:
    """The worst empty window of a Pooling layer over `bottom` (N, C, H, W); None where all have pixels.

    It takes a stride larger than the kernel and no padding: Caffe rounds the number of windows up. AVE gives
    0/0 = nan for a window that starts exactly at the edge and 0 for one beyond it; MAX gives -FLT_MAX.
    """
    geometry = pooling_geometry(layer, bottom)
    outputs = pooled_size(layer, bottom[2:], geometry)
    found = []
    for axis, n, s, p, size in zip("HW", outputs, geometry.stride, geometry.pad, bottom[2:], strict=True):
        start = (n - 1) * s - p
        if start >= size:
            found.append(EmptyWindow(axis, start, size, _value(layer, start - size)))
    return max(found, key=lambda window: window.start == window.size, default=None)


def _value(layer: Any, beyond: int) -> float:
    if layer.pooling_param.pool != PoolingParameter.AVE:
        return -FLT_MAX
    return 0.0 if beyond else float("nan")
