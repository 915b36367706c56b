"""Per-image work on a Dask cluster, through joblib's backend: batches of images, in order, few in flight."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import caffekit
from caffekit.errors import EnvironmentProblem, UsageError
from caffekit.steps.processes import SECONDS

T = TypeVar("T")
R = TypeVar("R")

BATCH = 16  # images per task: a task costs the scheduler a millisecond
AHEAD = 3  # windows of a batch per core in flight
CONNECT = 10.0  # seconds
PATIENCE = 600.0  # seconds in which some batch must come back
# They tell at length what we say in a line.
NOISY = ("distributed.client", "distributed.core", "distributed.comm", "tornado.application", "asyncio")
START = "`dask scheduler` and, on each machine, `dask worker ADDRESS --nthreads 1 --nworkers CORES` start one"


def cluster_map(
    work: Callable[[T], R], items: Iterable[T], address: str, crashed: Callable[[T], R]
) -> Iterator[R]:
    """`work(item)` of each item, in order, computed by the workers of the Dask scheduler at `address`.

    What a lost worker had is computed again elsewhere. `crashed(item)` where an item costs one worker after
    the other its life, or needs more than SECONDS. UsageError for what is no address, EnvironmentProblem
    where no cluster answers, its workers have another caffekit, or it stops answering.
    """
    items = iter(items)
    with _cluster(address) as client:
        size = BATCH * max(1, sum(client.ncores().values()))
        waiting: deque[tuple[list[T], Iterator[list[R]]]] = deque()
        try:
            while window := list(itertools.islice(items, size)):
                waiting.append((window, _start(client, work, window, BATCH)))
                if len(waiting) == AHEAD:
                    yield from _finish(client, work, *waiting.popleft(), crashed)
            while waiting:
                yield from _finish(client, work, *waiting.popleft(), crashed)
        finally:
            for _, results in waiting:
                _drop(results)


def _start(client: Any, work: Callable[[T], R], window: Sequence[T], size: int) -> Iterator[list[R]]:
    """Send off the batches of a window; their results, as they come."""
    import joblib

    batches = [window[i : i + size] for i in range(0, len(window), size)]
    tasks = [joblib.delayed(_batch)(work, batch, SECONDS) for batch in batches]
    # A backend for each window: joblib's cannot tell two calls apart that run at the same time.
    with joblib.parallel_config(backend=_backend(client)):
        parallel = joblib.Parallel(
            n_jobs=-1, return_as="generator", batch_size=1, pre_dispatch="all", timeout=PATIENCE
        )
        results: Iterator[list[R]] = parallel(tasks)
    return results


def _finish(
    client: Any,
    work: Callable[[T], R],
    window: Sequence[T],
    results: Iterator[list[R]],
    crashed: Callable[[T], R],
) -> Iterator[R]:
    """The results of a window. Of what Dask gave up as deadly each item is tried alone."""
    from distributed import KilledWorker

    done = 0
    try:
        for batch in results:
            done += len(batch)
            yield from batch
    except KilledWorker:
        for item in window[done:]:
            try:
                yield from next(_start(client, work, [item], 1))
            except KilledWorker:
                yield crashed(item)
    finally:
        _drop(results)


def _drop(results: Any) -> None:
    """Let go of what nobody will read, without joblib's word about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results.close()


def _batch(work: Callable[[T], R], items: Sequence[T], seconds: float) -> list[R]:
    """In a worker: an image that hangs ends it, and Dask's nanny starts another."""
    import cv2

    cv2.setNumThreads(1)  # the workers share the cores
    results = []
    for item in items:
        watch = threading.Timer(seconds, os._exit, (1,))
        watch.daemon = True
        watch.start()
        try:
            results.append(work(item))
        finally:
            watch.cancel()
    return results


def _backend(client: Any) -> Any:
    """joblib's Dask backend without two of its traps.

    It would wait for ever for a task that Dask has given up, and compute here what goes to a single core.
    """
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            jobs: int = super().effective_n_jobs(n_jobs)
            return max(2, jobs)

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)
            future.add_done_callback(lambda done: callback(done) if done.exception() else None)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            return out.result() if isinstance(out, Future) else super().retrieve_result_callback(out)

    return Backend(client=client)


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """A client of the cluster, whose troubles become one line."""
    try:
        import distributed
    except ImportError as error:
        hint = "pip install 'caffekit[cluster]'"
        raise EnvironmentProblem("--scheduler needs the package distributed", hint) from error
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        try:
            _knock(address)
            client: Any = distributed.Client(address, timeout=CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
            stack.callback(client.close, timeout=CONNECT)
            client.wait_for_workers(1, timeout=CONNECT)
        except ValueError as error:
            raise UsageError(f"--scheduler {address}: {error}", "give it as HOST:PORT") from error
        except OSError as error:
            raise EnvironmentProblem(f"no Dask cluster with workers answers at {address}", START) from error
        _refuse_others(address, client)
        try:
            yield client
        except (distributed.CancelledError, distributed.comm.core.CommClosedError, TimeoutError) as error:
            hint = "see that it runs, and run the same command again"
            raise EnvironmentProblem(f"the Dask cluster at {address} answers no more", hint) from error


def _knock(address: str) -> None:
    """OSError at once where nobody listens: a Client tries for long. ValueError for what is no address."""
    place = urlsplit(address if "://" in address else f"tcp://{address}")
    if not place.hostname or not place.port:
        raise ValueError("not an address")
    socket.create_connection((place.hostname, place.port), CONNECT).close()


def _refuse_others(address: str, client: Any) -> None:
    """EnvironmentProblem if a worker's results might be others than ours."""
    try:
        versions = client.run(_version)
    except ImportError as error:
        raise EnvironmentProblem(
            f"the workers of {address} lack caffekit ({error})", "install it there"
        ) from error
    for worker, version in versions.items():
        if version != _version():
            raise EnvironmentProblem(
                f"{worker} has {version}, here is {_version()}", "install the same versions on all machines"
            )


def _version() -> str:
    """What decides the bytes."""
    import cv2
    import numpy as np

    return f"caffekit {caffekit.__version__}, OpenCV {cv2.__version__}, NumPy {np.__version__}"
