"""All pairs of 64-bit hashes that differ in few bits: exact, not an approximate index.

Few hashes are all compared. Many are joined by sorting: cut into d + e blocks, two hashes within distance d
agree in at least e of them. For each choice of e blocks, sort by their bits: pairs stand in one run. A pair
is given for its first agreeing choice only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

FEW = 30_000
ROWS = 64
# In a longer run, thousands of copies of one picture, only those so near in it are compared: they are linked
# many times over, and all pairs would take forever.
LONGEST_RUN = 1000
AGREEING = 3  # e: more make shorter runs and more sorts
_BITS = np.array([i.bit_count() for i in range(1 << 16)], np.uint8)


def pairs_within(hashes: Hashes, distance: int) -> Iterator[Pairs]:
    """Index arrays (i, j), i ≠ j, batch by batch: every pair of hashes within `distance` bits, once.

    Of FEW or less: in the order of the smaller index, which comes first.
    """
    return _all_pairs(hashes, distance) if len(hashes) <= FEW else _join(hashes, distance)


def _all_pairs(hashes: Hashes, distance: int) -> Iterator[Pairs]:
    for start in range(0, len(hashes), ROWS):
        near = bit_count(hashes[start : start + ROWS, None] ^ hashes[start:]) <= distance
        i, j = np.nonzero(np.triu(near, 1))
        if len(i):
            yield i + start, j + start


def _join(hashes: Hashes, distance: int) -> Iterator[Pairs]:
    cuts = np.linspace(0, 64, distance + AGREEING + 1).round().astype(int)
    blocks = [((1 << int(b - a)) - 1) << int(a) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    for choice in combinations(range(len(blocks)), AGREEING):
        mask = np.uint64(sum(blocks[b] for b in choice))
        others = [np.uint64(blocks[b]) for b in range(choice[-1]) if b not in choice]
        for i, j in _equal_pairs(hashes & mask):
            differ = hashes[i] ^ hashes[j]
            keep = bit_count(differ) <= distance
            for other in others:  # agrees in an earlier block, too: was given before
                keep &= (differ & other) != 0
            if keep.any():
                yield i[keep], j[keep]


def bit_count(values: Hashes) -> NDArray[np.int64]:
    """The number of ones in each value."""
    pieces = np.ascontiguousarray(values).view(np.uint16).reshape(*values.shape, 4)
    return np.asarray(_BITS[pieces].sum(-1, dtype=np.int64), np.int64)


def _equal_pairs(keys: Hashes) -> Iterator[Pairs]:
    """All pairs of equal keys: in sorted order, those 1 apart, 2 apart, … while any are left."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    at = np.arange(len(keys))
    for step in range(1, min(len(keys), LONGEST_RUN)):
        at = at[at + step < len(keys)]
        at = at[ordered[at] == ordered[at + step]]
        if not len(at):
            return
        yield order[at], order[at + step]
