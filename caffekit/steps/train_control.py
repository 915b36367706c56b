"""What a training hears while it runs: signals and the clock; and what it says: progress."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

from caffekit.options import PROGRESS_SECONDS, Options

Event = dict[str, Any]


class Control:
    """Turns signals and a time limit into commands for the worker; a context manager.

    SIGINT and SIGTERM: stop (the second time: abort, the third: kill). SIGHUP: snapshot.
    """

    HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, max_hours: float | None = None) -> None:
        self.deadline = time.monotonic() + max_hours * 3600 if max_hours else None
        self.received: list[int] = []
        self.paused = False
        self._commands: list[str] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Control:
        for number in self.HEARD:
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._commands.append("snapshot")
            return
        self.received.append(number)
        self._commands.append({1: "stop", 2: "abort"}.get(len(self.received), "kill"))

    @property
    def ending(self) -> bool:
        """Whether somebody, or the clock, has asked for the end."""
        return bool(self.received) or self.paused

    def tick(self) -> str | None:
        """The next command for the worker."""
        if self.deadline and not self.paused and time.monotonic() > self.deadline:
            self.paused = True
            self._commands.append("stop")
        return self._commands.pop(0) if self._commands else None


class Progress:
    """A line on stderr at most every 10 s (in place on a terminal): iteration, loss, lr, speed, time left."""

    def __init__(self, options: Options) -> None:
        self.terminal = sys.stderr.isatty()
        self.quiet = options.quiet
        self.every = 0.2 if self.terminal else PROGRESS_SECONDS
        self.said = time.monotonic()
        self.max_iter = self.batch = 0
        self.iterations, self.seconds = 0, 0.0

    @property
    def images_per_second(self) -> float | None:
        """Training images per second, tests and snapshots included; None where the batch size is unknown."""
        return self.iterations * self.batch / self.seconds if self.seconds and self.batch else None

    def begin(self, event: Event, iter_size: int) -> None:
        """Take the `start` event."""
        self.max_iter, self.batch = event["max_iter"], (event["batch_size"] or 0) * iter_size

    def observe(self, event: Event) -> None:
        """Take a `display` event, and say how far it is if it is time to."""
        since = event["since"]["iters"]
        self.iterations, self.seconds = self.iterations + since, self.seconds + event["seconds"]
        now = time.monotonic()
        first = self.iterations == since  # its one iteration took the start-up's time: no rate to go by
        if self.quiet or first or now - self.said < self.every:
            return
        self.said = now
        left = (self.max_iter - event["iter"]) * event["seconds"] / max(since, 1)
        speed = since * self.batch / max(event["seconds"], 1e-9)
        text = f"iteration {event['iter']}/{self.max_iter}, loss {_short(event['loss'])}"
        text += f", lr {_short(event['lr'])}" + (f", {speed:.0f} images/s" if speed else "")
        text += f", {duration(left)} left"
        before, end = ("\r\x1b[K", "") if self.terminal else ("", "\n")
        print(before + text, end=end, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Wipe the line in place."""
        if self.terminal and not self.quiet:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else "?" if value is None else f"{value:.4g}"


def duration(seconds: float) -> str:
    """ "12 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
