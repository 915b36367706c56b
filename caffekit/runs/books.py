"""events.jsonl and metrics.csv: what happened in a run, for programs and for spreadsheets."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from caffekit.errors import os_errors
from caffekit.formats.atomic import atomic_file
from caffekit.report import dumps

Event = dict[str, Any]


class EventLog:
    """Appends events with their attempt and time; every line is flushed, so that others may follow."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> EventLog:
        with os_errors("writing", self.path):
            _end_last_line(self.path)
            self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - closed in __exit__
        return self

    def __exit__(self, *error: object) -> None:
        if self._file:
            self._file.close()

    def add(self, event: Event, attempt: int) -> None:
        """Write one event."""
        if self._file is None:
            raise ValueError(f"{self.path} is not open")
        with os_errors("writing", self.path):
            self._file.write(dumps({**event, "attempt": attempt, "time": round(time.time(), 3)}) + "\n")
            self._file.flush()


def _end_last_line(path: Path) -> None:
    """A killed writer may have left half a line, which must not swallow the next one."""
    if path.exists() and path.stat().st_size:
        with open(path, "rb+") as file:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")


def read_events(path: Path) -> list[Event]:
    """The events of a run; half lines are left out."""
    if not path.exists():
        return []
    events = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
    return [event for event in events if isinstance(event, dict)]


FIXED = ["attempt", "iteration", "phase", "net", "loss", "lr", "grad_norm", "weight_norm", "seconds"]


def write_metrics(path: Path, events: Iterable[Event]) -> None:
    """Write metrics.csv: a row per display (phase train) and per test, a column per output."""
    rows = [_row(event) for event in events if event.get("event") in ("display", "test")]
    outputs = sorted({key for row in rows for key in row} - set(FIXED))
    with atomic_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*FIXED, *outputs], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _row(event: Event) -> dict[str, Any]:
    row = {key: event.get(key) for key in FIXED}
    row["iteration"] = event["iter"]
    row["phase"] = "train" if event["event"] == "display" else "test"
    for name, values in (event.get("outputs") or {}).items():
        for index, value in enumerate(values):
            row[name if len(values) == 1 else f"{name}[{index}]"] = value
    return row
