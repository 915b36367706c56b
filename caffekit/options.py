"""What every command can be told, whatever its work: the common options of CLI.md."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

PROGRESS_SECONDS = 10.0


@dataclass(frozen=True)
class Options:
    """The common options of one call.

    seed: same input + seed + version gives byte-identical lists and the same pixels.
    workers: processes or threads for per-image work; 0 means one per usable core.
    scheduler: the address of a Dask scheduler whose workers do the per-image work instead.
    dry_run: say what would be done, write nothing.
    overwrite: replace outputs that exist.
    quiet: no progress, no notes on stderr.
    """

    seed: int = 0
    workers: int = 0
    dry_run: bool = False
    overwrite: bool = False
    quiet: bool = False
    scheduler: str = ""

    @property
    def jobs(self) -> int:
        """How many workers to use: the number asked for, or the cores this process may run on."""
        return self.workers or len(os.sched_getaffinity(0))

    def note(self, text: str) -> None:
        """One line for people, on stderr."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def progress(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Yield `items`, saying on stderr how far it is: in place on a terminal, else a line every 10 s."""
        terminal = sys.stderr.isatty()
        every = 0.2 if terminal else PROGRESS_SECONDS
        start = last = time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now - last >= every and not self.quiet:
                last = now
                rate = done / (now - start)
                text = f"{what}: {done}/{total} ({rate:.0f}/s, {max(total - done, 0) / rate:.0f} s left)"
                print(f"\r\x1b[K{text}" if terminal else text, end="" if terminal else "\n", file=sys.stderr)
        if terminal and last > start:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
