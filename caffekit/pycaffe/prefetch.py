"""A thread that prepares batches while the net computes."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Iterates over `items` in a thread of its own, up to `depth` items ahead.

    An exception of the iterator is raised where the item would have been taken.
    """

    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._queue: queue.Queue[T | BaseException] = queue.Queue(depth)
        stop = threading.Event()
        # The thread must not hold `self`, or a net that nobody uses any more would never be freed.
        threading.Thread(target=_fill, args=(items, self._queue, stop), daemon=True).start()
        weakref.finalize(self, stop.set)

    def get(self) -> T:
        """The next item."""
        item = self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item


def _fill(items: Iterator[T], into: queue.Queue[T | BaseException], stop: threading.Event) -> None:
    try:
        for item in items:
            if not _put(item, into, stop):
                return
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that takes items
        _put(error, into, stop)


def _put(item: T | BaseException, into: queue.Queue[T | BaseException], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            into.put(item, timeout=1)
            return True
        except queue.Full:
            continue
    return False
