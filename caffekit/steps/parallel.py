"""Per-image work in threads: OpenCV, libjpeg and file reading let go of Python's lock. Or on a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from caffekit.memory import keep_pages
from caffekit.options import Options

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 8  # results in flight per worker: memory stays bounded however many items come


def image_map(
    work: Callable[[T], R],
    items: Iterable[T],
    options: Options,
    crashed: Callable[[T], R],
    here: Callable[[R], R] = lambda result: result,
) -> Iterator[R]:
    """`here(work(item))` of each item, in order, in threads here or by the workers of options.scheduler.

    There `work` and the items must be picklable and name files by absolute paths; `crashed(item)` is taken
    where an item ends the workers. `here` is always called in this process: in the threads, where they work.
    """
    if not options.scheduler:
        return thread_map(lambda item: here(work(item)), items, options.jobs)
    from caffekit.steps.cluster import cluster_map

    return map(here, cluster_map(work, items, options.scheduler, crashed))


def thread_map(work: Callable[[T], R], items: Iterable[T], jobs: int) -> Iterator[R]:
    """`work(item)` of each item, in the order of `items`, computed by `jobs` threads a little ahead."""
    keep_pages()
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
