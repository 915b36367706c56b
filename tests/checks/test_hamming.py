"""The join of hashes: every pair within the distance, once, however many look the same."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.checks import hamming
from caffekit.checks.hamming import bit_count, in_batches, pairs_within


def crowded(count: int, centres: int) -> np.ndarray:
    """Hashes around a few centres, up to six bits away, some of them equal."""
    random = np.random.default_rng(0)
    chosen = random.choice(random.integers(0, 2**63, centres, dtype=np.uint64), count)
    bits = [random.choice(64, random.integers(0, 7), False) for _ in range(count)]
    return chosen ^ np.array([sum(1 << int(b) for b in each) for each in bits], np.uint64)


def found(hashes: np.ndarray, distance: int, known: int = 0) -> list[tuple[int, int]]:
    batches = pairs_within(hashes, distance, known)
    return sorted(pair for i, j in batches for pair in zip(i.tolist(), j.tolist(), strict=True))


def by_brute_force(hashes: np.ndarray, distance: int, known: int = 0) -> list[tuple[int, int]]:
    i, j = np.triu_indices(len(hashes), 1)
    near = (bit_count(hashes[i] ^ hashes[j]) <= distance) & (j >= known)
    return list(zip(i[near].tolist(), j[near].tolist(), strict=True))


@pytest.mark.parametrize("distance", [0, 1, 3, 8, 13])
@pytest.mark.parametrize("known", [0, 150])
def test_the_join_is_exact(distance: int, known: int) -> None:
    hashes = crowded(500, 40)
    pairs = found(hashes, distance, known)
    assert pairs == by_brute_force(hashes, distance, known)
    assert len(pairs) > 20


@pytest.mark.parametrize("agreeing", [1, 2, 3, 4])
def test_the_number_of_blocks_changes_nothing(agreeing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = crowded(400, 30)
    monkeypatch.setattr(hamming, "_agreeing", lambda count, distance: agreeing)
    assert found(hashes, 8) == by_brute_force(hashes, 8)


@pytest.mark.parametrize(("count", "distance"), [(10, 8), (1_000_000, 8), (1_000_000, 3), (50_000_000, 16)])
def test_the_bits_of_a_choice_fit_beside_an_index(count: int, distance: int) -> None:
    agreeing = hamming._agreeing(count, distance)
    cuts = np.diff(np.linspace(0, 64, distance + agreeing + 1).round().astype(int))
    assert np.sort(cuts)[-agreeing:].sum() <= 32


@pytest.mark.parametrize("count", [0, 1])
def test_few_hashes_have_no_pairs(count: int) -> None:
    assert found(np.zeros(count, np.uint64), 8) == []


def test_a_crowd_of_equals_is_compared_with_the_first_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs of 100,000 black frames would take forever."""
    monkeypatch.setattr(hamming, "CROWD", 3)
    hashes = np.array([7] * 10 + [6] * 2, np.uint64)
    pairs = found(hashes, 8)
    assert {(0, n) for n in range(1, 10)} <= set(pairs)  # each with the best one
    assert (0, 10) in pairs and (8, 9) not in pairs and len(pairs) < len(by_brute_force(hashes, 8))


def test_bits_are_counted_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([0, 1, 2**64 - 1, 2**63 + 5], np.uint64)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert bit_count(values).tolist() == [0, 1, 64, 3]


def test_batches_hold_every_pair_once() -> None:
    random = np.random.default_rng(0)
    cuts = [0, 0, 3, 3, 20, 21, 22, 60, 60]
    left, right = random.integers(0, 99, (2, 60))
    parts = [(left[a:b], right[a:b]) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    batches = list(in_batches(parts, 8))
    assert [len(i) for i, _ in batches] == [8] * 7 + [4]
    for n, whole in enumerate((left, right)):
        assert np.concatenate([batch[n] for batch in batches]).tolist() == whole.tolist()
    assert not list(in_batches([], 8)) and not list(in_batches(parts[:1], 8))
