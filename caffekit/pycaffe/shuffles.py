"""Random orders as BVLC Caffe's: Fisher-Yates with boost's numbers, std::random_shuffle with libc's."""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence
from typing import Any

from caffekit.pycaffe.mode import Rng

WORD = 2**32 - 1


def fisher_yates(items: MutableSequence[Any], random: Rng) -> None:
    """Shuffle in place as include/caffe/util/rng.hpp, with boost::uniform_int's division into buckets."""
    words = _words(random, len(items) - 1)
    for last in range(len(items) - 1, 0, -1):
        # The 2^32 words are parted into last + 1 buckets of one size; what is left over is drawn again.
        bucket = (WORD + 1) // (last + 1)
        while (other := next(words) // bucket) > last:
            pass
        items[last], items[other] = items[other], items[last]


def _words(random: Rng, n: int) -> Iterator[int]:
    """Endless words of the stream; the first `n`, which are all needed, are drawn at once."""
    yield from random.words(max(n, 0)).tolist()
    while True:
        yield random.word()


class LibcRand:
    """The rand() of glibc after srand(seed): an additive feedback generator over the last 31 words.

    Source of the recurrence: the glibc manual's "BSD Random Numbers" and the C library's TYPE_3 state.
    """

    def __init__(self, seed: int) -> None:
        state = [seed]
        for _ in range(30):
            state.append(16807 * state[-1] % (2**31 - 1))
        self._state = state
        self._at = 3  # the first three words have been repeated by then
        for _ in range(310):
            self()

    def __call__(self) -> int:
        state, at = self._state, self._at
        state[at] = (state[at] + state[(at + 28) % 31]) & WORD
        self._at = (at + 1) % 31
        return state[at] >> 1


libc_rand = LibcRand(1)
"""The process's stream, which nothing in Caffe ever seeds."""


def random_shuffle(items: MutableSequence[Any]) -> None:
    """Shuffle in place as libstdc++'s std::random_shuffle."""
    for i in range(1, len(items)):
        other = libc_rand() % (i + 1)
        items[i], items[other] = items[other], items[i]
