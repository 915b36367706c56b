"""Sides for images in groups: unbroken, complete, and as near to the shares as groups allow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from caffekit.steps.assign import assign_sides

Ints = NDArray[np.int64]


def table(labels: Ints, sides: Ints, how_many: int) -> Ints:
    return np.stack([np.bincount(labels[sides == k], minlength=labels.max() + 1) for k in range(how_many)])


def unbroken(groups: Ints, sides: Ints) -> bool:
    return len(np.unique(np.stack([groups, sides]), axis=1)[0]) == len(np.unique(groups))


@pytest.mark.parametrize("shares", [[0.9, 0.1], [0.8, 0.1, 0.1], [0.25] * 4])
def test_many_groups_of_mixed_classes(shares: list[float]) -> None:
    random = np.random.default_rng(0)
    labels, groups = random.integers(0, 50, 20_000), random.integers(0, 6_000, 20_000)
    sides = assign_sides(labels, groups, shares, 0)
    assert unbroken(groups, sides)
    found = table(labels, sides, len(shares))
    assert np.abs(found - np.outer(shares, found.sum(0))).max() < 1.5


@pytest.mark.parametrize("seed", range(20))
def test_no_other_assignment_of_few_groups_is_nearer(seed: int) -> None:
    """All 2^9 assignments tried: a change of place of two groups finds what single moves do not."""
    random = np.random.default_rng(seed)
    sizes, kinds = random.integers(1, 12, 9), np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    labels, groups = np.repeat(kinds, sizes), np.repeat(np.arange(9), sizes)
    share = np.array([0.7, 0.3])
    quota = table(labels, np.zeros(len(labels), np.int64), 1)[0] * share[1]

    def off(sides: Ints) -> float:
        return float(((table(labels, sides, 2)[1] - quota) ** 2).sum())

    every = [np.repeat(each, sizes) for each in itertools.product([0, 1], repeat=9)]
    complete = [each for each in every if (table(labels, each, 2) > 0).all()]
    sides = assign_sides(labels, groups, share.tolist(), seed)
    assert unbroken(groups, sides) and (table(labels, sides, 2) > 0).all()
    # The quota is rounded: what is nearest to it may be a little farther from the share than another.
    assert off(sides) <= (min(map(off, complete)) ** 0.5 + 1) ** 2


def test_a_class_of_large_groups_is_on_every_side() -> None:
    """25 images in each of four groups: a quarter in validation is not a tenth, but none would be worse."""
    labels, groups = np.repeat([0, 1], [100, 300]), np.repeat(np.arange(16), 25)
    assert table(labels, assign_sides(labels, groups, [0.9, 0.1], 0), 2)[1].tolist() == [25, 25]
    labels, groups = np.zeros(100, np.int64), np.repeat(np.arange(2), 50)
    assert (assign_sides(labels, groups, [0.9, 0.1], 0) == 0).all()


def test_a_side_keeps_its_size_where_no_class_has_a_group_small_enough() -> None:
    """Three groups of 10 in each of 60 classes: 18 classes give one to validation, the others none."""
    labels, groups = np.repeat(np.arange(60), 30), np.arange(1800) // 10
    found = table(labels, assign_sides(labels, groups, [0.9, 0.1], 0), 2)
    assert found[1].sum() == 180 and found[1].max() == 10


def test_folds_of_groups_are_even() -> None:
    labels = np.repeat(np.arange(40), 30)
    groups = np.arange(1200) // 3
    found = table(labels, assign_sides(labels, groups, [0.2] * 5, 0), 5)
    assert found.min() == found.max() == 6


def test_groups_of_one_are_no_groups() -> None:
    labels = np.repeat([0, 1, 2], [40, 20, 3])
    found = table(labels, assign_sides(labels, np.arange(63), [0.7, 0.1, 0.2], 0), 3)
    assert found.T.tolist() == [[28, 4, 8], [14, 2, 4], [2, 0, 1]]


def test_several_labels_and_groups_at_once() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, (2000, 5))
    groups = np.arange(2000) // 2
    sides = assign_sides(labels, groups, [0.8, 0.2], 0)
    assert unbroken(groups, sides)
    for column in labels.T:
        found = table(column, sides, 2)
        assert np.abs(found[1] - 0.2 * found.sum(0)).max() <= 2


def test_the_seed_decides() -> None:
    labels, groups = np.arange(900) % 3, np.arange(900) // 4
    a, b, c = (assign_sides(labels, groups, [0.9, 0.1], seed) for seed in (1, 1, 2))
    assert (a == b).all() and (a != c).any()
