"""Per-image work in child processes: what kills a decoder kills a child, and costs one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# After a crash, so many of the next items run one by one: the one that kills is soon among them.
ALONE = 64


def process_map(
    work: Callable[[T], R], items: Sequence[T], jobs: int, crashed: Callable[[T], R]
) -> Iterator[R]:
    """`work(item)` of each item, in order, in `jobs` children; `crashed(item)` where the child dies."""
    from concurrent.futures.process import BrokenProcessPool

    import joblib

    jobs = max(2, jobs)  # joblib's "1" means: in this very process
    done = 0
    while done < len(items):
        try:
            rest = (joblib.delayed(work)(item) for item in items[done:])
            for result in joblib.Parallel(n_jobs=jobs, return_as="generator")(rest):
                done += 1
                yield result
        except BrokenProcessPool:
            for item in items[done : done + ALONE]:
                done += 1
                yield _alone(work, item, crashed)


def _alone(work: Callable[[T], R], item: T, crashed: Callable[[T], R]) -> R:
    from concurrent.futures.process import BrokenProcessPool

    import joblib

    try:
        result: R = joblib.Parallel(n_jobs=2)([joblib.delayed(work)(item)])[0]
    except BrokenProcessPool:
        return crashed(item)
    return result
