"""Batches made ahead: their order, their errors, and the end of their threads."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from caffekit.pycaffe import prefetch
from caffekit.pycaffe.prefetch import Prefetcher


def slow_square(i: int) -> int:
    time.sleep(0.01 if i % 2 else 0.0)
    return i * i


def squares() -> Iterator[Callable[[], int]]:
    return (partial(slow_square, i) for i in itertools.count())


def test_batches_come_in_order_whichever_is_made_first() -> None:
    made = Prefetcher(squares(), 3)
    assert [made.get() for _ in range(8)] == [0, 1, 4, 9, 16, 25, 36, 49]


def test_only_so_many_are_made_ahead() -> None:
    started: list[int] = []
    jobs = (partial(started.append, i) for i in itertools.count())
    made = Prefetcher(jobs, 2)
    made.get()
    time.sleep(0.1)
    assert len(started) == 1 + 2 + 1  # taken, queued, and one that waits for its place


def test_an_error_of_a_batch_is_raised_in_its_turn() -> None:
    made = Prefetcher((partial(divmod, 6, i) for i in (2, 1, 0, 3)), 4)
    assert made.get() == (3, 0)
    assert made.get() == (6, 0)
    with pytest.raises(ZeroDivisionError):
        made.get()
    assert made.get() == (2, 0)


def test_an_error_while_reading_is_raised_again_and_again() -> None:
    def broken() -> Iterator[Callable[[], int]]:
        yield lambda: 1
        raise OSError("the disk is gone")

    made = Prefetcher(broken(), 2)
    assert made.get() == 1
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone"):
            made.get()


def test_threads_end_with_the_prefetcher() -> None:
    before = set(threading.enumerate())
    made = Prefetcher(squares(), 1)
    made.get()
    new = set(threading.enumerate()) - before
    assert new
    del made
    gc.collect()
    for thread in new:
        while thread.ident is None:  # enumerate() knows threads that are about to start, too
            time.sleep(0.01)
        thread.join(5)
        assert not thread.is_alive()


def test_waiting_is_logged_as_caffe_logs_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    monkeypatch.setattr(prefetch, "_waits", 0)
    made = Prefetcher((partial(time.sleep, 0.05) for _ in range(3)), 1)
    for _ in range(3):
        made.get()
    assert capfd.readouterr().err.count("blocking_queue.cpp:49] Waiting for data") == 1


def test_processes_of_torchrun_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(12)), raising=False)
    assert prefetch.decoders() == 12
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert prefetch.decoders() == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "99")
    assert prefetch.decoders() == 1
