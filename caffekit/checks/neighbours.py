"""Distances to the nearest images of every class.

Distance per class rather than votes among the k nearest: a class of few images would be outvoted by its large
neighbours and be called wrong for being rare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NEAREST = 3
LEAST_OF_CLASS = 5
MAX_REFERENCES = 20_000
BATCH = 512


def references(codes: Ints, classes: int) -> list[Ints]:
    """Images of each class to compare with; large classes are represented by a sample."""
    most = max(LEAST_OF_CLASS, MAX_REFERENCES // classes)
    random = np.random.default_rng(0)
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.searchsorted(codes[order], np.arange(1, classes)))
    return [np.sort(random.permutation(each)[:most]) for each in members]


def class_distances(
    features: Floats, groups: Ints, others: Sequence[Floats], their_groups: Sequence[Ints]
) -> Floats:
    """Images × classes: the mean distance to the NEAREST of each class's `others`, rows of length 1 all.

    Images of the same group, the image itself among them, do not count: copies would confirm a wrong label.
    inf where fewer than NEAREST are left.
    """
    out = np.empty((len(features), len(others)), np.float32)
    for start in range(0, len(features), BATCH):
        part = slice(start, start + BATCH)
        for column, (theirs, their_group) in enumerate(zip(others, their_groups, strict=True)):
            squared = np.maximum(2 - 2 * features[part] @ theirs.T, 0)
            squared[groups[part, None] == their_group] = np.inf
            nearest = np.partition(squared, NEAREST - 1, axis=1)[:, :NEAREST]
            out[part, column] = np.sqrt(nearest).mean(1)
    return out
