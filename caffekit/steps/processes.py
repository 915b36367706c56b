"""Per-image work in child processes: what kills a decoder kills a child, and costs one image."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# After a crash, so many of the next items run one by one: the one that kills is soon among them.
ALONE = 64
SECONDS = 60.0  # for one image; the largest that may be decoded takes two
CRASHED = "the decoder crashed on this file, or hung"


def process_map(
    work: Callable[[T], R],
    items: Sequence[T],
    jobs: int,
    crashed: Callable[[T], R],
    seconds: float = SECONDS,
) -> Iterator[R]:
    """`work(item)` of each item, in order, in `jobs` children.

    `crashed(item)` where the child dies, twice, or needs more than `seconds`.
    """
    from concurrent.futures.process import BrokenProcessPool

    import joblib

    jobs = max(2, jobs)  # joblib's "1" means: in this very process
    done = 0
    while done < len(items):
        try:
            left = map(items.__getitem__, range(done, len(items)))
            rest = (joblib.delayed(_timed)(work, item, seconds) for item in left)
            for result in _pool(jobs, "generator")(rest):
                done += 1
                yield result
        except BrokenProcessPool:
            for item in map(items.__getitem__, range(done, min(done + ALONE, len(items)))):
                done += 1
                yield _alone(work, item, crashed, seconds)


def _alone(work: Callable[[T], R], item: T, crashed: Callable[[T], R], seconds: float) -> R:
    from concurrent.futures.process import BrokenProcessPool

    import joblib

    try:
        result: R = _pool(2)([joblib.delayed(_timed)(work, item, seconds)])[0]
    except BrokenProcessPool:
        return crashed(item)
    return result


def _timed(work: Callable[[T], R], item: T, seconds: float) -> R:
    """In the child: what hangs, even inside a library's C code, is ended by the system."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work(item)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _pool(jobs: int, return_as: str = "list") -> Any:
    import joblib

    return joblib.Parallel(n_jobs=jobs, return_as=return_as, initializer=_end_with, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    """In the child: do not wait five minutes for more work from a parent that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
