"""The orders that Caffe's shuffles give, and the C library's random numbers."""

from __future__ import annotations

import collections

import pytest

from caffekit.pycaffe import shuffles
from caffekit.pycaffe.mode import Rng
from caffekit.pycaffe.shuffles import LibcRand, fisher_yates, random_shuffle


def test_rand_is_glibcs() -> None:
    """The first numbers of an unseeded C program, and its 1000th and 1001st."""
    rand = LibcRand(1)
    numbers = [rand() for _ in range(1001)]
    assert numbers[:5] == [1804289383, 846930886, 1681692777, 1714636915, 1957747793]
    assert numbers[999:] == NUMBERS


NUMBERS = [1143565421, 981914693]


def test_fisher_yates_draws_again_what_falls_beyond_the_buckets() -> None:
    class Words(Rng):
        """Twice 2^32 − 1, beyond three equal buckets, as 2^32 is no multiple of 3; then zeros."""

        def words(self, n: int) -> object:
            return super().words(n) | 0xFFFFFFFF

        def word(self) -> int:
            return 0

    items = [0, 1, 2]
    fisher_yates(items, Words(0))
    assert items == [1, 2, 0]


def test_fisher_yates_gives_every_order() -> None:
    random, seen = Rng(1), collections.Counter()
    for _ in range(600):
        items = [0, 1, 2]
        fisher_yates(items, random)
        seen[tuple(items)] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 60


@pytest.mark.parametrize("items", [[], ["one"]])
def test_nothing_to_shuffle(items: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shuffles, "libc_rand", LibcRand(1))
    before = list(items)
    fisher_yates(items, Rng(1))
    random_shuffle(items)
    assert items == before
    assert shuffles.libc_rand() == 1804289383


def test_random_shuffle_uses_the_processes_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([0, 4, 3])  # of 2, 3 and 4 places: swaps 1 with 0, 2 with 1, 3 with 3
    monkeypatch.setattr(shuffles, "libc_rand", lambda: next(numbers))
    items = list("abcd")
    random_shuffle(items)
    assert items == list("bcad")
