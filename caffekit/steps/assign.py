"""Which side of a split each image goes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def assign_sides(labels: Ints, groups: Ints | None, shares: Sequence[float], seed: int) -> Ints:
    """A side (0 … len(shares)−1) for each image: class by class its share of each side, groups unbroken.

    Side 0 (training) takes what rounding leaves over. A class gets one image on a held-out side if it has at
    least two per side. Groups of several images are placed first, each where its classes lack most; single
    images then even the classes out, so shares are exact wherever enough of them are left.
    """
    random = np.random.default_rng(seed)
    labels = np.unique(labels, return_inverse=True)[1]
    wanted = _quota(np.bincount(labels), shares)
    sides = np.full(len(labels), -1)
    if groups is not None:
        wanted = _place(_large_groups(groups, random), sides, labels, wanted)
    _fill(sides, labels, wanted, random)
    return sides


def _quota(counts: Ints, shares: Sequence[float]) -> Ints:
    """How many images of each class each side should get: (side, class)."""
    wanted = np.floor(np.outer(shares, counts) + 0.5).astype(np.int64)
    plenty = counts >= 2 * len(shares)
    for side, share in enumerate(shares):
        if share > 0:
            wanted[side, plenty] = np.maximum(wanted[side, plenty], 1)
    wanted[0] = counts - wanted[1:].sum(0)
    short = wanted[0] < 0  # rounding gave away more than there is: take it back from the last sides
    for side in range(len(shares) - 1, 0, -1):
        back = np.where(short, np.minimum(wanted[side], -wanted[0]), 0)
        wanted[side] -= back
        wanted[0] += back
        short = wanted[0] < 0
    return wanted


def _large_groups(groups: Ints, random: np.random.Generator) -> list[Ints]:
    """The members of each group of several images, large groups first, equal ones in random order."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    members = [each for each in np.split(order, starts[1:]) if len(each) > 1]
    shuffled = [members[i] for i in random.permutation(len(members))]
    return sorted(shuffled, key=len, reverse=True)


def _place(members: list[Ints], sides: Ints, labels: Ints, wanted: Ints) -> Ints:
    """Give each group its side in `sides`; what the sides then still want.

    Lists of integers, not arrays: a group has few classes, and there may be a million groups.
    """
    want: list[list[int]] = wanted.tolist()
    totals = [sum(row) for row in want]
    for group in members:
        counts = Counter(labels[group].tolist())
        side = _neediest(counts, want, totals)
        sides[group] = side
        for label, n in counts.items():
            want[side][label] -= n
        totals[side] -= len(group)
    return np.array(want)


def _neediest(counts: Counter[int], want: list[list[int]], totals: list[int]) -> int:
    """The side that lacks the largest part of this group's classes; training if it fits nowhere else."""
    best, most = 0, sum(want[0][label] for label in counts) / max(1, totals[0])
    for side in range(1, len(want)):
        row = want[side]
        if all(row[label] >= n for label, n in counts.items()):
            lack = sum(row[label] for label in counts) / max(1, totals[side])
            if lack > most:
                best, most = side, lack
    return best


def _fill(sides: Ints, labels: Ints, wanted: Ints, random: np.random.Generator) -> None:
    """Give the images without a side to the sides that still lack some of their class."""
    free = np.flatnonzero(sides < 0)
    free = free[random.permutation(len(free))]
    free = free[np.argsort(labels[free], kind="stable")]
    bounds = np.searchsorted(labels[free], np.arange(wanted.shape[1] + 1))
    for c in range(wanted.shape[1]):
        mine = free[bounds[c] : bounds[c + 1]]
        start = 0
        for side in range(1, len(wanted)):
            take = max(0, wanted[side, c])
            sides[mine[start : start + take]] = side
            start += take
        sides[mine[start:]] = 0
