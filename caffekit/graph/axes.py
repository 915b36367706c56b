"""What shape rules share: axes counted from either end, and errors that name the layer."""

from __future__ import annotations

from typing import Any

from caffekit.errors import FormatError

Shape = tuple[int, ...]
Shapes = tuple[list[Shape], list[Shape]]
"""Shapes of the tops, and of the parameters."""


def need(layer: Any, condition: bool, otherwise: str) -> None:
    """FormatError naming `layer` unless `condition`."""
    if not condition:
        raise FormatError(f"layer '{layer.name}': {otherwise}")


def axis_of(layer: Any, axis: int, shape: Shape) -> int:
    """`axis` from 0 on; negative ones count from the end. FormatError if `shape` has no such axis."""
    need(layer, -len(shape) <= axis < len(shape), f"its bottom {shape} has no axis {axis}")
    return axis % len(shape)


def checked(layer: Any, shape: Shape) -> Shape:
    """`shape`, if every axis has a size; FormatError naming the layer otherwise."""
    need(layer, all(side > 0 for side in shape), f"its output would have shape {shape}")
    return shape
