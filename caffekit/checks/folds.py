"""Folds for out-of-sample evidence: alike images together, every class as evenly as that allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def folds(codes: Ints, groups: Ints, count: int, seed: int) -> Ints:
    """The fold of each image, 0 to `count` - 1; images with the same number in `groups` share one.

    A copy with the same wrong label in another fold would confirm it.
    """
    random = np.random.default_rng(seed)
    first, of = np.unique(groups, return_index=True, return_inverse=True)[1:]
    order = random.permutation(len(first))
    order = order[np.argsort(codes[first[order]], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % count
    return fold[of]
