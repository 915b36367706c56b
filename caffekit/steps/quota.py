"""How many images of each class belong on each side of a split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def quotas(counts: Ints, shares: Sequence[float]) -> Ints:
    """How many images of each class each side should get, as (side, class), from the classes' counts.

    Every number is its exact share rounded up or down. What is rounded is passed on from class to class, so
    that the sides' totals keep their shares, too: of 1000 classes with 3 images, a fifth of each class
    would otherwise be 1 on every side. Where `must_have` asks for a class, rounding goes up.
    """
    exact = np.outer(shares, counts)
    quota = np.floor(exact + 1e-9).astype(np.int64)
    must = must_have(counts, shares) & (quota == 0)
    rounded = exact - quota > 1e-9
    rest = counts - quota.sum(0)
    debt = np.zeros(len(shares))
    for c in np.flatnonzero(rest):
        debt += exact[:, c] - quota[:, c]
        order = sorted(np.flatnonzero(rounded[:, c]), key=lambda side: (not must[side, c], -debt[side], side))
        up = order[: rest[c]]
        quota[up, c] += 1
        debt[up] -= 1
    return quota


def must_have(counts: Ints, shares: Sequence[float]) -> Flags:
    """Which class (of that many images or groups) has to stand on which side, as (side, class).

    On all sides where there are two for each of them; in training (a side larger than all others) always.
    """
    must = np.outer(np.array(shares) > 0, counts >= 2 * len(shares))
    if shares[0] > max(shares[1:], default=0):
        must[0] = counts > 0
    return must
