"""Batches that are prepared while the net computes."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Generic, TypeVar

from caffekit.pycaffe.log import log

T = TypeVar("T")

ASSEMBLERS = 2  # while one waits for its batch's last images, the other starts on the next batch
MAX_DECODERS = 16

_waits = 0


class Prefetcher(Generic[T]):
    """Does `jobs`, each making one batch, up to `depth` + 1 ahead of `get`.

    The iterator runs in a thread of its own (reading records and drawing random numbers in order), the jobs
    in two others. An exception of either is raised where its batch would have been taken.
    """

    def __init__(self, jobs: Iterator[Callable[[], T]], depth: int) -> None:
        self._queue: queue.Queue[Future[T]] = queue.Queue(depth)
        stop = threading.Event()
        # The thread must not hold `self`, or a net that nobody uses any more would never be freed.
        threading.Thread(target=_fill, args=(jobs, self._queue, stop), daemon=True).start()
        weakref.finalize(self, stop.set)

    def get(self) -> T:
        """The next batch."""
        global _waits
        future = self._queue.get()
        if not future.done():
            if _waits % 1000 == 0:
                log("blocking_queue.cpp:49", "Waiting for data")
            _waits += 1
        return future.result()


def _fill(jobs: Iterator[Callable[[], T]], into: queue.Queue[Future[T]], stop: threading.Event) -> None:
    with ThreadPoolExecutor(ASSEMBLERS) as assemblers:
        try:
            for job in jobs:
                if not _put(assemblers.submit(job), into, stop):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that takes batches
            failed: Future[T] = Future()
            failed.set_exception(error)
            while _put(failed, into, stop):
                pass


def _put(future: Future[T], into: queue.Queue[Future[T]], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            into.put(future, timeout=1)
            return True
        except queue.Full:
            continue
    return False


def decoders() -> int:
    """How many threads decode for this process: its share of the cores, at most 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)  # torchrun's: processes that share the machine
    return max(1, min(MAX_DECODERS, cores // ranks))


def pool() -> ThreadPoolExecutor:
    """The process's pool of decoding threads, shared by all data layers."""
    return _pool(os.getpid())


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    # By process: threads do not survive a fork.
    return ThreadPoolExecutor(decoders(), f"decode-{process}")
