"""Which side of a split each image goes to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caffekit.steps.pieces import Pieces
from caffekit.steps.quota import Ints, must_have, quotas
from caffekit.steps.settle import settle

Floats = NDArray[np.float64]
Random = np.random.Generator

TRIES = 10  # beginnings, where there are FEW pieces: they may fit together or not, by chance
FEW = 500


def assign_sides(labels: Ints, groups: Ints | None, shares: Sequence[float], seed: int) -> Ints:
    """A side (0 … len(shares)−1) for each image: class by class its share of each side, groups unbroken.

    labels: a class for each image, or several in a row of a matrix; every column is then shared out.
    Groups of several images are placed first, then single images even the classes out: shares are within one
    image wherever enough of them are left. Where not, groups move and change places while that brings the
    classes nearer to their shares. A class of at least two groups per side stands on every side.
    """
    random = np.random.default_rng(seed)
    classes = _numbered(labels)
    wanted = quotas(np.bincount(classes.ravel()), shares)
    sides = np.full(len(classes), -1)
    if groups is None and classes.shape[1] == 1:
        _fill(sides, classes[:, 0], wanted, random)
        return sides
    pieces = Pieces.of(classes, np.arange(len(classes)) if groups is None else groups)
    wanted = np.column_stack([wanted, _sizes(len(classes), shares)])
    must = must_have(pieces.per_class(), shares)
    tries: list[tuple[tuple[int, int], Ints]] = []
    for number in range(TRIES if len(pieces.sizes) <= FEW else 1):
        weights = pieces.sizes * random.uniform(1, 1 + number, len(pieces.sizes))
        at = _first(pieces, wanted, weights, classes.shape[1] == 1, random)
        tries.append((settle(pieces, at, wanted, must, random), at))
        if tries[-1][0] == (0, 0):
            break
    at = min(tries, key=lambda each: each[0])[1]
    return at[pieces.of_image]


def _first(pieces: Pieces, wanted: Ints, weights: Floats, single_class: bool, random: Random) -> Ints:
    """A side for each piece: groups, heavy ones first, by what is wanted; images alone by what is left."""
    at = np.full(len(pieces.sizes), -1)
    alone = (pieces.sizes == 1) & single_class
    left = _place(pieces, at, random.permutation(np.flatnonzero(~alone)), weights, wanted)
    if alone.any():
        single = np.full(int(alone.sum()), -1)
        _fill(single, pieces.classes[pieces.starts[:-1][alone]], left[:, :-1], random)
        at[alone] = single
    return at


def _sizes(count: int, shares: Sequence[float]) -> Ints:
    return quotas(np.array([count]), shares)[:, 0]


def _numbered(labels: Ints) -> Ints:
    """Class numbers from 0 without a gap, (image, column); no two columns share one."""
    columns, first = [], 0
    for column in labels.reshape(len(labels), -1).T:
        numbers = np.unique(column, return_inverse=True)[1] + first
        columns.append(numbers)
        first = numbers.max() + 1
    return np.stack(columns, axis=1)


def _place(pieces: Pieces, at: Ints, chosen: Ints, weights: Floats, wanted: Ints) -> Ints:
    """Give each chosen piece its side in `at`, heavy ones first; what the sides then still want.

    Lists of integers, not arrays: a piece has few classes, and there may be a million pieces.
    """
    order = chosen[np.argsort(-weights[chosen], kind="stable")]
    want: list[list[int]] = wanted.tolist()
    full = [[max(1, n) for n in row] for row in want]
    starts, classes, counts = (each.tolist() for each in (pieces.starts, pieces.classes, pieces.counts))
    found = []
    for piece in order.tolist():
        mine = slice(starts[piece], starts[piece + 1] - 1)  # without the class of all
        have = list(zip(classes[mine], counts[mine], strict=True))
        side = _neediest(have, want, full)
        found.append(side)
        row = want[side]
        for label, n in have:
            row[label] -= n
    at[order] = found
    return np.array(want)


def _neediest(have: list[tuple[int, int]], want: list[list[int]], full: list[list[int]]) -> int:
    """Of the sides that want so many of these classes the one that lacks most for its size.

    Where none does, the side that ends up least above what it wants.
    """
    best, most = -1, -1.0
    for side, row in enumerate(want):
        lack = 0.0
        for label, n in have:
            if row[label] < n:
                break
            lack += n * row[label] / full[side][label]
        else:
            if lack > most:
                best, most = side, lack
    if best >= 0:
        return best
    return min(range(len(want)), key=lambda side: sum(n * (n - 2 * want[side][label]) for label, n in have))


def _fill(sides: Ints, labels: Ints, wanted: Ints, random: Random) -> None:
    """Give each image the side that still lacks some of its class."""
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    bounds = np.searchsorted(labels[order], np.arange(wanted.shape[1] + 1))
    for c, column in enumerate(wanted.T.tolist()):
        mine = order[bounds[c] : bounds[c + 1]]
        take = [max(0, n) for n in column]
        while sum(take) > len(mine):  # groups took more than one side wanted: all others get less
            take[take.index(max(take))] -= 1
        sides[mine] = np.repeat(np.arange(len(take)), take)
