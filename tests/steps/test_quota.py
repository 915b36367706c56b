"""Quotas: rounding that neither a class nor a side's total pays for."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.steps.quota import must_have, quotas

SHARES = [[0.9, 0.1], [0.8, 0.1, 0.1], [0.2] * 5, [0.1] * 10, [0.3, 0.3, 0.4], [0.98, 0.01, 0.01]]


@pytest.mark.parametrize("shares", SHARES)
def test_every_class_is_within_one_image_of_its_shares(shares: list[float]) -> None:
    counts = np.random.default_rng(0).integers(0, 40, 500)
    quota = quotas(counts, shares)
    assert (quota.sum(0) == counts).all() and (quota >= 0).all()
    assert np.abs(quota - np.outer(shares, counts)).max() < 1


@pytest.mark.parametrize("count", [7, 16, 3, 1])
def test_equal_folds_stay_equal_over_many_classes(count: int) -> None:
    quota = quotas(np.full(1000, count), [0.2] * 5)
    assert quota.sum(1).tolist() == [200 * count] * 5


def test_a_class_of_two_for_each_side_is_on_every_side() -> None:
    quota = quotas(np.arange(1, 12), [0.9, 0.1])
    assert quota[1].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] or quota[1][3:].min() == 1
    assert quota[0].min() == 1  # training has every class, were it of one image
    assert quotas(np.array([6]), [0.8, 0.1, 0.1])[:, 0].tolist() == [4, 1, 1]


def test_what_must_stand_where() -> None:
    counts = np.array([0, 1, 3, 4])
    assert must_have(counts, [0.9, 0.1]).tolist() == [[False, True, True, True], [False, False, False, True]]
    assert must_have(counts, [0.5, 0.5])[0].tolist() == [False, False, False, True]
    assert not must_have(counts, [1.0, 0.0])[1].any()
