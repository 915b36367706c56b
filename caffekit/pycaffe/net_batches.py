"""Inputs of any number, run through a net in batches of its own size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

Arrays = dict[str, Any]


def batches(net: Any, arrays: Mapping[str, Any]) -> Iterator[Arrays]:
    """`arrays` (one item per row) cut into batches of the net's size, the last one padded with zeros."""
    if not arrays:
        return
    size = next(iter(net.blobs.values())).shape[0]
    for start in range(0, count(arrays), size):
        batch = {name: np.asarray(array[start : start + size]) for name, array in arrays.items()}
        lacking = size - count(batch)
        yield {
            name: np.concatenate([part, np.zeros((lacking, *part.shape[1:]))]) if lacking else part
            for name, part in batch.items()
        }


def count(arrays: Mapping[str, Any]) -> int:
    """How many items the arrays have; ValueError if there are none."""
    if not arrays:
        raise ValueError("forward_all and forward_backward_all need arrays of inputs, by keyword")
    return len(next(iter(arrays.values())))


def forward_all(net: Any, blobs: Sequence[str], inputs: Mapping[str, Any]) -> Arrays:
    """What Net.forward_all gives."""
    parts: dict[str, list[Any]] = {name: [] for name in [*net.outputs, *blobs]}
    for batch in batches(net, inputs):
        _collect(parts, net.forward(blobs=list(blobs), **batch))
    return _joined(parts, count(inputs))


def forward_backward_all(
    net: Any, blobs: Sequence[str], diffs: Sequence[str], given: Mapping[str, Any]
) -> tuple[Arrays, Arrays]:
    """What Net.forward_backward_all gives."""
    out: dict[str, list[Any]] = {name: [] for name in [*net.outputs, *blobs]}
    back: dict[str, list[Any]] = {name: [] for name in [*net.inputs, *diffs]}
    forward = batches(net, {name: given[name] for name in net.inputs if name in given})
    backward = batches(net, {name: given[name] for name in net.outputs if name in given})
    nothing: Arrays = {}
    for inputs, tops in zip_longest(forward, backward, fillvalue=nothing):
        _collect(out, net.forward(blobs=list(blobs), **inputs))
        _collect(back, net.backward(diffs=list(diffs), **tops))
    return _joined(out, count(given)), _joined(back, count(given))


def _collect(parts: dict[str, list[Any]], arrays: Mapping[str, Any]) -> None:
    for name, array in arrays.items():
        if np.ndim(array) == 0:
            raise ValueError(f"blob '{name}' is one number for the whole batch: it has no item per input")
        parts[name].append(np.array(array))


def _joined(parts: dict[str, list[Any]], items: int) -> Arrays:
    """Each blob's batches in one array, without what was padded."""
    joined = {name: np.concatenate(arrays) if arrays else np.zeros(0) for name, arrays in parts.items()}
    surplus = max((len(array) for array in joined.values()), default=items) - items
    return {name: array[: len(array) - surplus] for name, array in joined.items()}
