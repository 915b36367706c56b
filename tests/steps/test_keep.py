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
    kept = keep_varied(rows, np.zeros(2000, np.float32), 40, random)
    assert len(set(kept.tolist())) == 40 and set(kinds[kept].tolist()) == {0, 1, 2, 3, 4, 5}
    assert len(set(kinds[keep_random(2000, 40, random)].tolist())) < 6


@pytest.mark.parametrize("keep", [0, 1, 7, 2 * BLOCK, 2 * BLOCK + 500])
def test_as_many_as_asked_for_over_several_blocks(keep: int) -> None:
    random = np.random.default_rng(1)
    rows = unit(random.normal(size=(2 * BLOCK + 500, 3)).astype(np.float32))
    kept = keep_varied(rows, rows[:, 0], keep, random)
    assert len(set(kept.tolist())) == keep == len(kept)
