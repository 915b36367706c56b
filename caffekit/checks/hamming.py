"""All pairs of 64-bit hashes that differ in few bits: an exact join by sorting, not an approximate index.

Cut into d + e blocks, two hashes within distance d agree in at least e of them. For each choice of e blocks,
sort by their bits: pairs stand in one run. A pair is given for its first agreeing choice only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

AGREEING = 3  # e: more make shorter runs and more sorts
_BITS = np.array([i.bit_count() for i in range(1 << 16)], np.uint8)


def pairs_within(hashes: Hashes, distance: int) -> Iterator[Pairs]:
    """Index arrays (i, j), i ≠ j, batch by batch: every pair of hashes within `distance` bits, once."""
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
    counts: NDArray[np.int64] = _BITS[values.view(np.uint16).reshape(-1, 4)].sum(1, dtype=np.int64)
    return counts


def _equal_pairs(keys: Hashes) -> Iterator[Pairs]:
    """All pairs of equal keys: in sorted order, those 1 apart, 2 apart, … while any are left."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    at = np.arange(len(keys))
    for step in range(1, len(keys)):
        at = at[at + step < len(keys)]
        at = at[ordered[at] == ordered[at + step]]
        if not len(at):
            return
        yield order[at], order[at + step]
