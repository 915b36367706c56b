"""Which images of a large class stay."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.steps.keep import BLOCK, hardness, keep_random, keep_varied, unit


def test_hard_images_are_nearer_to_another_class() -> None:
    angles = np.radians([0, 10, 20, 80, 90, 100, 60])
    rows = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    hard = hardness(rows, np.array([0, 0, 0, 1, 1, 1, 0]))
    assert hard.argmax() == 6 and hard[6] > 0 > hard[0]
    assert (hardness(rows[:3], np.zeros(3, int)) < 0).all()  # of one class: far from its mean


def test_every_corner_stays_where_chance_loses_some() -> None:
    """2000 alike and five rare kinds of three: all kinds are among 40; at random hardly ever."""
    random = np.random.default_rng(0)
    rows = unit(np.eye(8, dtype=np.float32)[[0] * 1985 + [1, 2, 3, 4, 5] * 3])
    kinds = rows.argmax(1)
    kept = keep_varied(rows, np.where(kinds == 0, -1, 0).astype(np.float32), 40, random)
    assert len(set(kept.tolist())) == 40 and set(kinds[kept].tolist()) == {0, 1, 2, 3, 4, 5}
    assert len(set(kinds[keep_random(2000, 40, random)].tolist())) < 6


def test_what_looks_like_another_class_stays_only_for_want_of_others() -> None:
    rows = unit(np.random.default_rng(2).normal(size=(50, 3)).astype(np.float32))
    hard = np.where(np.arange(50) < 20, 0.5, -0.5).astype(np.float32)
    kept = keep_varied(rows, hard, 30, np.random.default_rng(0))
    assert sorted(kept.tolist()) == list(range(20, 50))
    kept = keep_varied(rows, hard, 40, np.random.default_rng(0))
    assert set(range(20, 50)) <= set(kept.tolist()) and len(set(kept.tolist())) == 40


def test_digits_kept_by_features_teach_more_than_random_ones() -> None:
    """Ten of each class, one in twenty with a wrong label, as judged by the nearest of them."""
    from sklearn.datasets import load_digits

    pixels, truth = load_digits(return_X_y=True)
    rows = unit((pixels - pixels.mean(0)).astype(np.float32))
    train, test = rows[500:], rows[:500]
    random = np.random.default_rng(0)
    given = np.where(random.random(len(train)) < 0.05, random.integers(0, 10, len(train)), truth[500:])
    hard = hardness(train, given)

    def right(by_features: bool) -> float:
        kept = []
        for mine in [np.flatnonzero(given == label) for label in range(10)]:
            varied = keep_varied(train[mine], hard[mine], 10, random)
            kept.append(mine[varied if by_features else keep_random(len(mine), 10, random)])
        chosen = np.concatenate(kept)
        nearest = chosen[(test @ train[chosen].T).argmax(1)]
        return float((given[nearest] == truth[:500]).mean())

    by_features, by_chance = (np.mean([right(choice) for _ in range(5)]) for choice in (True, False))
    assert by_features > by_chance + 0.02


@pytest.mark.parametrize("keep", [0, 1, 7, 2 * BLOCK, 2 * BLOCK + 500])
def test_as_many_as_asked_for_over_several_blocks(keep: int) -> None:
    random = np.random.default_rng(1)
    rows = unit(random.normal(size=(2 * BLOCK + 500, 3)).astype(np.float32))
    kept = keep_varied(rows, rows[:, 0], keep, random)
    assert len(set(kept.tolist())) == keep == len(kept)
