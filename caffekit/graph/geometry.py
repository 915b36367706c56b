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
    found = Spatial(
        kernel=_values(layer, param, "kernel", "kernel_size", 0, axes),
        stride=_values(layer, param, "stride", "stride", 1, axes),
        pad=_values(layer, param, "pad", "pad", 0, axes),
        dilation=_repeated(layer, "dilation", list(param.dilation), 1, axes),
    )
    _check_positive(layer, found)
    return found


def _values(layer: Any, param: Any, stem: str, field: str, default: int, axes: int) -> tuple[int, ...]:
    """`stem`_h and `stem`_w, or `field` once or per axis."""
    given = list(getattr(param, field))
    if param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w"):
        if given or axes != 2:
            raise FormatError(f"layer '{layer.name}': either {field} or {stem}_h and {stem}_w (2-D only)")
        return (getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w"))
    return _repeated(layer, field, given, default, axes)


def _repeated(layer: Any, field: str, given: list[int], default: int, axes: int) -> tuple[int, ...]:
    if len(given) not in (0, 1, axes):
        raise FormatError(
            f"layer '{layer.name}': {field} takes 1 or {axes} values (spatial axes), got {len(given)}"
        )
    values = given or [default]
    return tuple(values * axes if len(values) == 1 else values)


def _check_positive(layer: Any, found: Spatial) -> None:
    if not all(found.kernel):
        raise FormatError(f"layer '{layer.name}': kernel_size (or kernel_h and kernel_w) is missing or 0")
    for what, values in (("stride", found.stride), ("dilation", found.dilation)):
        if not all(values):
            raise FormatError(f"layer '{layer.name}': {what} must be positive, got 0")


def convolved_size(layer: Any, sizes: Sequence[int], g: Spatial) -> tuple[int, ...]:
    """Output sizes of a convolution, rounded down; FormatError where the kernel does not fit its input."""
    out = []
    for size, k, s, p, d in zip(sizes, g.kernel, g.stride, g.pad, g.dilation, strict=True):
        extent = d * (k - 1) + 1
        if extent > size + 2 * p:
            raise FormatError(
                f"layer '{layer.name}': its kernel covers {extent}, but its padded input only {size + 2 * p}"
                f" (bottom {'x'.join(map(str, sizes))}, pad {p})"
            )
        out.append((size + 2 * p - extent) // s + 1)
    return tuple(out)


def pooling_geometry(layer: Any, bottom: Shape) -> Spatial:
    """The geometry of a Pooling layer over `bottom` (N, C, H, W); FormatError for contradicting fields."""
    param = layer.pooling_param
    if len(bottom) != 4:
        raise FormatError(f"layer '{layer.name}': Pooling takes a bottom N, C, H, W, got shape {bottom}")
    stride, pad = _pair(layer, "stride", "stride", 1), _pair(layer, "pad", "pad", 0)
    if param.global_pooling:
        if any(param.HasField(name) for name in ("kernel_size", "kernel_h", "kernel_w")):
            raise FormatError(f"layer '{layer.name}': global_pooling takes no kernel_size")
        if stride != (1, 1) or pad != (0, 0):
            raise FormatError(f"layer '{layer.name}': global_pooling takes neither stride nor pad")
        return Spatial(tuple(bottom[2:]), stride, pad, (1, 1))
    found = Spatial(_pair(layer, "kernel", "kernel_size", 0), stride, pad, (1, 1))
    _check_positive(layer, found)
    if any(p >= k for p, k in zip(pad, found.kernel, strict=True)):
        raise FormatError(f"layer '{layer.name}': pad {pad} must be smaller than the kernel {found.kernel}")
    return found


def _pair(layer: Any, stem: str, field: str, default: int) -> tuple[int, int]:
    param = layer.pooling_param
    split = [param.HasField(f"{stem}_h"), param.HasField(f"{stem}_w")]
    if any(split):
        if not all(split) or param.HasField(field):
            raise FormatError(f"layer '{layer.name}': either {field}, or both {stem}_h and {stem}_w")
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
