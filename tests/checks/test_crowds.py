"""Among pictures whose hashes are all the same, every pair that correlates enough is found."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.checks import hamming
from caffekit.checks.correlation import standardised
from caffekit.checks.crowds import like_pairs
from caffekit.checks.hamming import pairs_within

THRESHOLD = 0.95


@pytest.fixture
def thumbs() -> np.ndarray:
    """600 pictures, a third of them noisy copies of others, and flat ones."""
    random = np.random.default_rng(0)
    base = random.integers(0, 256, (400, 1024)).astype(float)
    copies = base[random.integers(0, 400, 190)] + random.normal(0, 15, (190, 1024))
    all_of = np.concatenate([base, copies, np.full((10, 1024), 128.0)])
    return np.clip(all_of, 0, 255).astype(np.uint8)[random.permutation(600)]


def none(places: np.ndarray) -> np.ndarray:
    return np.zeros(len(places), bool)


@pytest.mark.parametrize("known", [0, 100])
def test_no_like_pair_is_lost(thumbs: np.ndarray, known: int) -> None:
    members = np.flatnonzero(np.arange(600) % 7 != 3)
    batches = list(like_pairs(lambda places: thumbs[places], members, known, THRESHOLD, none))
    found = {pair for i, j in batches for pair in zip(i.tolist(), j.tolist(), strict=True)}
    assert len(found) == sum(len(i) for i, _ in batches)  # each once
    alike = standardised(thumbs) @ standardised(thumbs).T
    i, j = np.triu_indices(600, 1)
    true = (alike[i, j] >= THRESHOLD) & np.isin(i, members) & np.isin(j, members) & (j >= known)
    wanted = set(zip(i[true].tolist(), j[true].tolist(), strict=True))
    assert len(wanted) > 80 and wanted <= found
    assert len(found) < 600 * 20  # of 180,000: most are ruled out unseen


def test_who_has_enough_is_left_alone(thumbs: np.ndarray) -> None:
    asked: list[int] = []

    def satisfied(places: np.ndarray) -> np.ndarray:
        asked.extend(places.tolist())
        return places % 2 == 0

    pairs = list(like_pairs(lambda places: thumbs[places], np.arange(600), 0, THRESHOLD, satisfied))
    assert asked and all(j % 2 == 1 for _, later in pairs for j in later.tolist())


@pytest.mark.parametrize("count", [0, 1])
def test_few_have_no_pairs(thumbs: np.ndarray, count: int) -> None:
    assert not list(like_pairs(lambda places: thumbs[places], np.arange(count), 0, THRESHOLD, none))


def test_crowds_are_left_to_the_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The crowd of sevens, and the sixes near it; not the pair that is far from both."""
    monkeypatch.setattr(hamming, "CROWD", 3)
    far = 0xFFFFFFFF
    hashes = np.array([7] * 10 + [6] * 2 + [far, far ^ 1], np.uint64)
    crowded = np.zeros(len(hashes), bool)
    pairs = [p for i, j in pairs_within(hashes, 8, 0, crowded) for p in zip(i, j, strict=True)]
    assert crowded.tolist() == [True] * 12 + [False] * 2
    assert (12, 13) in pairs and all(crowded[i] == crowded[j] for i, j in pairs)
    assert not any(hashes[i] == 7 or hashes[j] == 7 for i, j in pairs)
