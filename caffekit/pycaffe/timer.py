"""Timer: how long something took, on the device that computes."""

from __future__ import annotations

import time

import torch

from caffekit.pycaffe.mode import device


class Timer:
    """A stopwatch: start(), stop(), then `ms`. On a GPU it waits for what was begun before."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._ms = 0.0

    def start(self) -> None:
        """Begin, unless begun already."""
        if self._start is None:
            self._start = _now()

    def stop(self) -> None:
        """End, if begun."""
        if self._start is not None:
            self._ms, self._start = (_now() - self._start) * 1000, None

    @property
    def ms(self) -> float:
        """Milliseconds between start and stop, which is called if it was not; 0 if never started."""
        self.stop()
        return self._ms


def _now() -> float:
    if device().type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
