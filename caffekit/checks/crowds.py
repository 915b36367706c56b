"""Pairs of like pictures among many whose hashes are the same: found by their pixels, exactly.

Pictures as vectors of norm 1 are projected to a few dimensions, and the length of the rest is one more: the
product of two such vectors is never below the correlation, so what it rules out is no copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.correlation import SAMPLE, Floats, standardised

DIMENSIONS = 31
ROUNDING = 1e-4  # of products in float32
ROWS = 2048
FIRST, LARGEST = 128, 8192  # columns of the first block that rows are multiplied with, and of the largest

Indices = NDArray[np.int64]
Pairs = tuple[Indices, Indices]


def like_pairs(
    thumbs: Callable[[Indices], NDArray[np.uint8]],
    members: Indices,
    known: int,
    threshold: float,
    satisfied: Callable[[Indices], NDArray[np.bool_]],
) -> Iterator[Pairs]:
    """(i, j), i < j, batch by batch: every pair of `members` that may correlate by `threshold` or more.

    thumbs: the pixels of some, a row each. members: ascending. Without pairs of two below `known`. satisfied:
    of which j nothing more is wanted; the first i come first.
    """
    if len(members) < 2:
        return
    vectors = _projected(thumbs, members)
    start = int(np.searchsorted(members, known))
    for low in range(start, len(members), ROWS):
        rows = np.arange(low, min(low + ROWS, len(members)))
        column, width = 0, FIRST
        while column < rows[-1]:
            rows = rows[~satisfied(members[rows])]
            if not len(rows):
                break
            stop = min(column + width, int(rows[-1]))
            high = vectors[rows] @ vectors[column:stop].T >= threshold - ROUNDING
            later, earlier = np.nonzero(high)
            earlier += column
            before = earlier < rows[later]
            yield members[earlier[before]], members[rows[later[before]]]
            column, width = stop, min(2 * width, LARGEST)


def _projected(thumbs: Callable[[Indices], NDArray[np.uint8]], members: Indices) -> Floats:
    """members × (DIMENSIONS + 1), rows of norm 1."""
    sample = np.sort(np.random.default_rng(0).permutation(len(members))[:SAMPLE])
    values = standardised(thumbs(members[sample]))
    axes = np.linalg.svd(values, full_matrices=False)[2][:DIMENSIONS].T
    out = np.zeros((len(members), axes.shape[1] + 1), np.float32)
    for low in range(0, len(members), ROWS):
        part = standardised(thumbs(members[low : low + ROWS]))
        seen = part @ axes
        rest = np.einsum("nd,nd->n", part, part) - np.einsum("nd,nd->n", seen, seen)
        out[low : low + ROWS] = np.column_stack([seen, np.sqrt(np.maximum(rest, 0))])
    return out
