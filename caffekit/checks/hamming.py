"""All pairs of 64-bit hashes that differ in few bits: exact, not an approximate index.

Joined by sorting: cut into d + e blocks, two hashes within distance d agree in at least e of them. For each
choice of e blocks, sort by their bits: candidates stand in one run. A pair is given for its first agreeing
choice only. More blocks (e) make shorter runs and more sorts: what is cheapest depends on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from math import ceil, comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
Pairs = tuple[Indices, Indices]

# More images than this with one and the same hash are a crowd: the hash says nothing about them any more.
CROWD = 1000
EXPANDED = 1 << 20  # pairs of images in memory at once
SORT, COMPARE = 4, 1  # relative costs: of a hash in a sort, of a pair in a run
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


class _Groups(NamedTuple):
    """Equal hashes: each value once, the indices that have it at members[start : start + size]."""

    values: Hashes
    members: Indices
    start: Indices
    size: Indices


def pairs_within(
    hashes: Hashes, distance: int, known: int = 0, crowded: NDArray[np.bool_] | None = None
) -> Iterator[Pairs]:
    """Index arrays (i, j), i < j, batch by batch: every pair of hashes within `distance` bits, once.

    Without pairs of two of the first `known`. crowded: set here for all of each crowd and all near it; pairs
    of a crowd with itself or with what is near it are left out. Without it the CROWD first of each are
    compared.
    """
    order = np.argsort(hashes, kind="stable")
    starts = _run_starts(hashes[order])
    wanted = order >= known
    if crowded is not None:
        crowded[order] = np.bincount(starts, minlength=len(order))[starts] > CROWD
        wanted &= ~crowded[order]
    for first, later in _pairs_in_runs(starts, wanted, CROWD):
        yield order[first], order[later]
    if not distance:
        return
    groups = _groups(hashes, order, np.unique(starts))
    last = groups.members[groups.start + groups.size - 1]
    for u, v in _join(groups.values, distance, int((last < known).sum())):
        if crowded is not None:
            u, v = _without_crowds(groups, u, v, crowded)
        for i, j in _expanded(groups, u, v) if len(u) else ():
            wanted = (i >= known) | (j >= known)
            yield np.minimum(i, j)[wanted], np.maximum(i, j)[wanted]


def in_batches(pairs: Iterable[Pairs], size: int) -> Iterator[Pairs]:
    """The same pairs, `size` at a time: a join gives a few here and millions there."""
    waiting: list[Pairs] = []
    count = 0
    for pair in chain(pairs, [None]):
        if pair is not None:
            waiting.append(pair)
            count += len(pair[0])
        if waiting and (count >= size or pair is None):
            left, right = (np.concatenate(column) for column in zip(*waiting, strict=True))
            whole = count - count % size if pair is not None else count
            for start in range(0, whole, size):
                yield left[start : min(start + size, whole)], right[start : min(start + size, whole)]
            waiting, count = [(left[whole:], right[whole:])], count - whole


def bit_count(values: Hashes) -> NDArray[np.uint8]:
    """The number of ones in each value."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(values), np.uint8)
    pieces = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    return np.asarray(np.unpackbits(pieces, axis=-1).sum(-1), np.uint8)


def _join(hashes: Hashes, distance: int, known: int) -> Iterator[Pairs]:
    """The pairs of different hashes; the next choice is sorted while this one's runs are compared."""
    agreeing = _agreeing(len(hashes), distance)
    cuts = np.linspace(0, 64, distance + agreeing + 1).round().astype(int)
    blocks = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    masks = [np.uint64(((1 << (b - a)) - 1) << a) for a, b in blocks]
    choices = list(combinations(range(len(blocks)), agreeing))
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(_sorted, hashes, [blocks[b] for b in choices[0]])
        for choice, following in zip(choices, [*choices[1:], None], strict=True):
            order, starts = coming.result()
            if following:
                coming = pool.submit(_sorted, hashes, [blocks[b] for b in following])
            earlier = [masks[b] for b in range(choice[-1]) if b not in choice]
            ordered = hashes[order]
            for first, later in _pairs_in_runs(starts, order >= known, len(order)):
                differ = ordered[first] ^ ordered[later]
                near = np.flatnonzero(bit_count(differ) <= distance)
                for mask in earlier:  # agrees in an earlier block, too: was given before
                    near = near[(differ[near] & mask) != 0]
                if len(near):
                    yield order[first[near]], order[later[near]]


def _agreeing(count: int, distance: int) -> int:
    """e: in how many blocks to look for agreement, so that sorts and comparisons together cost least."""

    def cost(agreeing: int) -> float:
        runs = 2 ** (64 * agreeing / (distance + agreeing))
        return comb(distance + agreeing, agreeing) * count * (SORT + COMPARE * count / runs / 2)

    fitting = [e for e in range(1, 7) if e * ceil(64 / (distance + e)) <= 32]
    return min(fitting, key=cost)


def _sorted(hashes: Hashes, blocks: list[tuple[int, int]]) -> Pairs:
    """The order by the bits of `blocks`, then by index; for each place, where its run starts.

    Bits and index go into one number: sorting numbers is several times faster than sorting by a key.
    """
    keys, at = np.arange(len(hashes), dtype=np.uint64), 32
    for a, b in blocks:  # 32 bits in all, or fewer
        keys |= (hashes >> np.uint64(a) & np.uint64((1 << (b - a)) - 1)) << np.uint64(at)
        at += b - a
    keys.sort()
    return (keys & LOW).astype(np.int64), _run_starts(keys >> HALF)


def _run_starts(keys: Hashes) -> Indices:
    """For each place of sorted keys: where the first equal key stands."""
    fresh = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
    return np.repeat(fresh, np.diff(fresh, append=len(keys)))


def _pairs_in_runs(starts: Indices, wanted: NDArray[np.bool_], most: int) -> Iterator[Pairs]:
    """Pairs of places of one run: the first of every run with all `wanted` after it, then the second, …

    Only the `most` first.
    """
    later = np.flatnonzero(wanted)
    first = starts[later]
    for _ in range(most):
        left = later > first
        later, first = later[left], first[left]
        if not len(later):
            return
        yield first, later
        first = first + 1


def _groups(hashes: Hashes, order: Indices, starts: Indices) -> _Groups:
    """Equal hashes as groups, in the order of their last index."""
    count = np.diff(starts, append=len(order))
    by_last = np.argsort(order[starts + count - 1]) if len(order) else starts
    starts, count = starts[by_last], count[by_last]
    return _Groups(hashes[order[starts]], order, starts, count)


def _without_crowds(groups: _Groups, u: Indices, v: Indices, crowded: NDArray[np.bool_]) -> Pairs:
    """The pairs of groups of which none is a crowd; `crowded` is set for the members of the others."""
    crowd = (groups.size[u] > CROWD) | (groups.size[v] > CROWD)
    for group in np.unique(np.concatenate([u[crowd], v[crowd]])):
        crowded[groups.members[groups.start[group] : groups.start[group] + groups.size[group]]] = True
    return u[~crowd], v[~crowd]


def _expanded(groups: _Groups, u: Indices, v: Indices) -> Iterator[Pairs]:
    """From pairs of groups to pairs of their members."""
    across = np.minimum(groups.size[v], CROWD)
    sizes = np.minimum(groups.size[u], CROWD) * across
    ends = np.cumsum(sizes)
    cuts = np.searchsorted(ends, np.arange(EXPANDED, int(ends[-1]), EXPANDED))
    for part in np.split(np.arange(len(u)), np.unique(cuts)):
        pair = np.repeat(part, sizes[part])
        offset = np.arange(len(pair)) - np.repeat(np.cumsum(sizes[part]) - sizes[part], sizes[part])
        i = groups.members[groups.start[u[pair]] + offset // across[pair]]
        j = groups.members[groups.start[v[pair]] + offset % across[pair]]
        yield i, j
