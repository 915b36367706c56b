"""Which images of a large class to keep: at random, or by features the hard ones and the most varied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caffekit.steps.quota import Ints

Floats = NDArray[np.float32]

HARD = 0.25  # of what is kept; of digits, all hard ones teach less than random ones
FEW = 10
BLOCK = 2000  # images that are compared with each other: the work grows with images × BLOCK


def unit(features: Floats) -> Floats:
    """Rows of length 1."""
    rows: Floats = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return rows


def hardness(features: Floats, labels: Ints) -> Floats:
    """How much nearer each image (a unit row) is to another class's mean than to its own class's; cosines."""
    classes, numbers = np.unique(labels, return_inverse=True)
    means = np.zeros((len(classes), features.shape[1]), np.float32)
    np.add.at(means, numbers, features)
    means = unit(means)
    out = np.empty(len(features), np.float32)
    for start in range(0, len(features), BLOCK):
        mine = slice(start, start + BLOCK)
        alike = features[mine] @ means.T
        rows = np.arange(len(alike))
        own = alike[rows, numbers[mine]].copy()
        alike[rows, numbers[mine]] = -1
        out[mine] = (alike.max(1) if len(classes) > 1 else 0) - own
    return out


def keep_random(count: int, keep: int, random: np.random.Generator) -> Ints:
    """`keep` of `count` places."""
    return random.permutation(count)[:keep]


def keep_varied(features: Floats, hard: Floats, keep: int, random: np.random.Generator) -> Ints:
    """`keep` places of a class's images (unit rows): a quarter the hardest, then those far from what is kept.

    Images nearer to another class than to their own (hard > 0) stay only if there are too few others: hard
    and odd ones first would gather the wrong labels. In random blocks, each of which gives its share.
    """
    order = random.permutation(len(features))
    sure = order[hard[order] <= 0]
    order = sure if len(sure) >= keep else order[np.argsort(hard[order], kind="stable")][:keep]
    blocks = np.array_split(order, -(-max(1, len(order)) // BLOCK))
    bounds = np.cumsum([0, *map(len, blocks)]) * keep // max(1, len(order))
    return np.concatenate(
        [
            block[_of_block(features[block], hard[block], int(n), random)]
            for block, n in zip(blocks, np.diff(bounds), strict=True)
        ]
    )


def _of_block(features: Floats, hard: Floats, keep: int, random: np.random.Generator) -> Ints:
    """The farthest of a few random ones each time: the farthest of all would be the outliers, all of them."""
    chosen = np.argsort(-hard, kind="stable")[: round(HARD * keep)].tolist()
    nearest = np.full(len(features), -1, np.float32)  # cosine with the nearest that is kept
    for place in chosen:
        np.maximum(nearest, features @ features[place], out=nearest)
    nearest[chosen] = 2
    while len(chosen) < keep:
        few = random.integers(len(features), size=FEW)
        place = int(few[nearest[few].argmin()])
        if nearest[place] == 2:  # all of them are kept already
            place = int(nearest.argmin())
        chosen.append(place)
        np.maximum(nearest, features @ features[place], out=nearest)
        nearest[place] = 2
    return np.array(chosen, np.int64)
