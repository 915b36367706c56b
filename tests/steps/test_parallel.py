"""thread_map: in order, a bounded way ahead, and errors come out where they belong."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from caffekit.steps.parallel import AHEAD, thread_map


def test_order_is_kept() -> None:
    def work(n: int) -> int:
        time.sleep(0.002 * (n % 3))
        return n * n

    assert list(thread_map(work, range(40), 3)) == [n * n for n in range(40)]
    assert list(thread_map(work, [], 3)) == []


def test_it_does_not_run_far_ahead() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = thread_map(lambda n: n, endless(), 2)
    assert [next(results) for _ in range(3)] == [1, 2, 3]
    assert taken <= 3 + 2 * AHEAD
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_at_its_place() -> None:
    results = thread_map(lambda n: 1 // n, [1, 1, 0, 1], 2)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
