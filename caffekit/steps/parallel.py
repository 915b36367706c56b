"""Per-image work in threads: OpenCV, libjpeg and file reading let go of Python's lock. Or on a cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from caffekit.memory import keep_pages
from caffekit.options import Options

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 8  # results in flight per worker: memory stays bounded however many items come
BATCH = 4  # items that a thread takes at a time: handing over costs as much as taking over a file's bytes


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
    waiting: deque[Future[tuple[list[R], Exception | None]]] = deque()
    pool = ThreadPoolExecutor(jobs)
    rest = iter(items)
    try:
        while batch := list(islice(rest, BATCH)):
            waiting.append(pool.submit(_each, work, batch))
            if len(waiting) >= AHEAD // BATCH * jobs:
                yield from _results(waiting.popleft())
        while waiting:
            yield from _results(waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _each(work: Callable[[T], R], items: list[T]) -> tuple[list[R], Exception | None]:
    """The results up to the first error, and that."""
    results: list[R] = []
    try:
        for item in items:
            results.append(work(item))
    except Exception as error:
        return results, error
    return results, None


def _results(done: Future[tuple[list[R], Exception | None]]) -> Iterator[R]:
    results, error = done.result()
    yield from results
    if error:
        raise error
