"""Kernel, stride, padding and dilation of convolution and pooling layers, whichever way they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import PoolingParameter

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Spatial:
    """One value per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]


def spatial(layer: Any, axes: int) -> Spatial:
    """The geometry of a convolution over `axes` spatial axes; FormatError for contradicting fields."""
    param = layer.convolution_param
    return Spatial(
        kernel=_values(layer, param, "kernel", "kernel_size", None, axes),
        stride=_values(layer, param, "stride", "stride", 1, axes),
        pad=_values(layer, param, "pad", "pad", 0, axes),
        dilation=_repeated(layer, "dilation", list(param.dilation), 1, axes),
    )


def _values(layer: Any, param: Any, stem: str, field: str, default: int | None, axes: int) -> tuple[int, ...]:
    """`stem`_h and `stem`_w, or `field` once or per axis."""
    given = list(getattr(param, field))
    if param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w"):
        if given or axes != 2:
            raise FormatError(f"layer '{layer.name}': either {field} or {stem}_h/_w (2-D only) should be specified")
        return (getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w"))
    return _repeated(layer, field, given, default, axes)


def _repeated(layer: Any, field: str, given: list[int], default: int | None, axes: int) -> tuple[int, ...]:
    if not given and default is None:
        raise FormatError(f"layer '{layer.name}': {field} is missing")
    if len(given) not in (0, 1, axes):
        raise FormatError(
            f"layer '{layer.name}': {field} must be given once or once per spatial axis ({axes}), got {len(given)}"
        )
    values = given or [default or 0]
    return tuple(values * axes if len(values) == 1 else values)


def pooling_geometry(layer: Any, bottom: Shape) -> Spatial:
    """The geometry of a Pooling layer over `bottom` (N, C, H, W); FormatError for contradicting fields."""
    param = layer.pooling_param
    if len(bottom) != 4:
        raise FormatError(f"layer '{layer.name}': Pooling needs a 4-D bottom, got {bottom}")
    if param.global_pooling:
        return Spatial(tuple(bottom[2:]), (1, 1), (0, 0), (1, 1))
    kernel = _pair(param, "kernel", "kernel_size", 0)
    if not all(kernel):
        raise FormatError(f"layer '{layer.name}': kernel_size (or kernel_h and kernel_w) is missing")
    pad = _pair(param, "pad", "pad", 0)
    if any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise FormatError(f"layer '{layer.name}': pad {pad} must be smaller than the kernel {kernel}")
    return Spatial(kernel, _pair(param, "stride", "stride", 1), pad, (1, 1))


def _pair(param: Any, stem: str, field: str, default: int) -> tuple[int, int]:
    if param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w"):
        return (getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w"))
    value = getattr(param, field) if param.HasField(field) else default
    return (value, value)


def pooled_size(layer: Any, size: Sequence[int], g: Spatial) -> tuple[int, ...]:
    """Output sizes: rounded up (or down, with round_mode FLOOR); no window starts beyond the padded image.

    The last rule holds only where there is padding: without it a window can lie outside the image.
    """
    floor = layer.pooling_param.round_mode == PoolingParameter.FLOOR
    out = []
    for h, k, s, p in zip(size, g.kernel, g.stride, g.pad, strict=True):
        span = h + 2 * p - k
        n = (span // s if floor else -(-span // s)) + 1
        out.append(n - 1 if any(g.pad) and (n - 1) * s >= h + p else n)
    return tuple(out)
