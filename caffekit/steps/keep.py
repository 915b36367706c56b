"""Which images of a large class to keep: at random, or by features the hard ones and the most varied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caffekit.steps.quota import Ints

Floats = NDArray[np.float32]

HARD = 0.25  # of what is kept; more, and wrong labels and odd images would crowd out the typical ones
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
    """`keep` places of a class's images (unit rows): a quarter the hardest, then always the one farthest off.

    In random blocks, each of which gives its share.
    """
    order = random.permutation(len(features))
    blocks = np.array_split(order, -(-len(order) // BLOCK))
    bounds = np.cumsum([0, *map(len, blocks)]) * keep // len(order)
    return np.concatenate(
        [
            block[_of_block(features[block], hard[block], int(n))]
            for block, n in zip(blocks, np.diff(bounds), strict=True)
        ]
    )


def _of_block(features: Floats, hard: Floats, keep: int) -> Ints:
    chosen = np.argsort(-hard, kind="stable")[: max(1, round(HARD * keep)) if keep else 0].tolist()
    nearest = np.full(len(features), -2, np.float32)  # cosine with the nearest that is kept
    for place in chosen:
        np.maximum(nearest, features @ features[place], out=nearest)
    nearest[chosen] = 2
    while len(chosen) < keep:
        place = int(nearest.argmin())
        chosen.append(place)
        np.maximum(nearest, features @ features[place], out=nearest)
        nearest[place] = 2
    return np.array(chosen, np.int64)
