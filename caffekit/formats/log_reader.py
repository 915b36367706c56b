"""Read a whole Caffe log, of any version, with any damage, into rows."""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from caffekit.errors import os_errors
from caffekit.formats.caffe_log import Fields, parse_message

Key = tuple[int, str]
"""An output's number and name: names repeat, numbers do not."""

# A blob left dangling prints a line per element (gigabytes): metrics beyond this number are not kept.
MAX_METRICS = 1000
MAX_TEXT = 100_000  # lines of a solver or net that a log quotes


@dataclass
class Row:
    """One display (loss, lr and outputs of the train net) or one test of one net."""

    iter: int
    loss: float | None = None
    """Smoothed over average_loss iterations; of a test: `Test loss`."""
    lr: float | None = None
    outputs: dict[Key, float] = field(default_factory=dict)
    weights: dict[Key, float] = field(default_factory=dict)
    """The loss_weight of those outputs that count in the loss."""
    seconds: float | None = None
    """Since the first time stamp of a training line."""
    net: int = 0
    final: bool = False
    """The extra forward pass after the last update."""

    def label(self, key: Key) -> str:
        """The output's name, with its number where the name repeats."""
        index, name = key
        repeated = sum(other == name for _, other in self.outputs) > 1
        return f"{name}#{index}" if repeated else name

    def add(self, found: Fields) -> None:
        """Take up one `net output` line."""
        key = (found["index"], found.get("name", f"score#{found['index']}"))
        if "weight" in found:
            self.weights[key] = found["weight"]
        elif key[0] >= MAX_METRICS:
            return
        self.outputs[key] = found["value"]


@dataclass
class Log:
    """What a log says. `runs` counts the starts seen; rows keep the order of the file."""

    name: str = ""
    train: list[Row] = field(default_factory=list)
    test: list[Row] = field(default_factory=list)
    snapshots: list[tuple[int, str]] = field(default_factory=list)
    fatals: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    finetuned: list[str] = field(default_factory=list)
    clipped: int = 0
    policy: str = ""
    runs: int = 0
    ended: str | None = None
    """"done", "stopped", or None: the log just ends."""
    solver_text: str = ""
    net_text: str = ""
    """The solver and the train net as the log quotes them (glog cuts a message at 30,000 bytes)."""
    data_shape: tuple[int, ...] = ()
    """N, C, H, W of the first data layer."""
    frames: list[str] = field(default_factory=list)
    """Caffe's functions on the stack of a crash."""


def read_log(path: Path | str) -> Log:
    """Read a log (plain or gzipped; "-" is standard input). DataError only if it cannot be opened."""
    if str(path) == "-":
        return parse_lines(_decoded(sys.stdin.buffer))
    with os_errors("reading", path), open(path, "rb") as file:
        return parse_lines(_decoded(file))


def _decoded(file: IO[bytes]) -> Iterator[str]:
    """The lines of `file`; whatever is no UTF-8 is replaced, NUL bytes (a crashed machine) are dropped."""
    head = file.peek(4)[:4] if hasattr(file, "peek") else b""
    if head[:2] == b"\x1f\x8b":
        yield from _inflated(file)
    elif head[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what PowerShell's > writes
        yield from file.read().decode("utf-16", errors="replace").splitlines()
    else:
        for raw in file:
            yield raw.replace(b"\0", b"").decode("utf-8", errors="replace")


def _inflated(file: IO[bytes]) -> Iterator[str]:
    """The lines of a gzipped log, up to where it is broken."""
    try:
        with gzip.open(file) as inner:
            for raw in inner:
                yield raw.replace(b"\0", b"").decode("utf-8", errors="replace")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return


_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RANK = re.compile(r"\[(\d+)\] [IWEF]\d{4} ")
_STAMP = re.compile(r"[IWEF]?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})")
_PREFIX = re.compile(r"\s*(?:\[\d+\] )?[IWEF]\d{4} \d\d:\d\d:")
# A console that wraps at its width leaves a gap inside words and numbers.
_WRAP = re.compile(r"(?<=[\w.]) {8,}(?=[\w.])")
_DATA_SIZE = re.compile(r"output data size: (\d+(?:,\d+)+)")
_FRAME = re.compile(r"\s*(?:PC: )?@\s+0x[0-9a-f]+\s+(caffe::\w.*)")
_GLUED = re.compile(r"(?<=\S)\s+(?=(?:Test|Train) net output #)")


def parse_lines(lines: Iterable[str]) -> Log:
    """The log in `lines`."""
    reader = _Reader()
    for text in lines:
        reader.line(text.rstrip("\r\n"))
    return reader.finish()


class _Reader:
    """The state of reading: which row the next output belongs to."""

    def __init__(self) -> None:
        self.log = Log()
        self.row: Row | None = None
        self.rank: str | None = None
        self.clock = _Clock()
        self.quoting: list[str] | None = None
        self.quotes: dict[str, list[str]] = {"solver": [], "net": []}

    def line(self, text: str) -> None:
        if "\x1b" in text:
            text = _ANSI.sub("", text)
        if self.quoting is not None:
            if not _PREFIX.match(text) and len(self.quoting) < MAX_TEXT:
                self.quoting.append(text)
                return
            self.quoting = None
        if " from parameters:" in text:
            self._quote(text)
            return
        if text[:1] == "[" and (match := _RANK.match(text)):
            self.rank = self.rank or match[1]  # of several interleaved processes the first one is read
            if match[1] != self.rank:
                return
        if "        " in text and _PREFIX.match(text):
            text = _WRAP.sub("", text)
        if "output data size: " in text and (match := _DATA_SIZE.search(text)):
            self.log.data_shape = self.log.data_shape or tuple(map(int, match[1].split(",")))
            return
        if "@ " in text and (match := _FRAME.match(text)):
            self.log.frames.append(match[1])
            return
        parts = _GLUED.split(text) if text.count("net output #") or "Testing net" in text else [text]
        for part in parts:
            found = parse_message(part)
            if found:
                self.message(*found, text)

    def _quote(self, text: str) -> None:
        which = "solver" if "solver from parameters" in text else "net"
        lines = self.quotes[which]
        # The train net comes first and is the one wanted; a log of several runs keeps the last solver.
        if which == "solver":
            lines.clear()
            self.quotes["net"].clear()
        self.quoting = lines if not lines else []

    def message(self, kind: str, found: Fields, text: str) -> None:
        handler = getattr(self, f"on_{kind}", None)
        if handler:
            handler(found, text)

    def on_iteration(self, found: Fields, text: str) -> None:
        row = self.row
        if row is None or row.loss is not None or row.iter != found["iter"] or row not in self.log.train[-1:]:
            row = self._train_row(found["iter"])  # (in 2014 the lr line came first: then the row is there)
        row.loss = found["loss"]
        row.seconds = self.clock.seconds(text)
        row.final = "lapse" not in found

    def on_learning_rate(self, found: Fields, text: str) -> None:
        last = self.log.train[-1] if self.log.train else None
        if last is None or last.iter != found["iter"] or last.lr is not None:
            last = self._train_row(found["iter"])
        last.lr = found["lr"]

    def _train_row(self, it: int) -> Row:
        self.row = Row(it)
        self.log.train.append(self.row)
        return self.row

    def on_train_output(self, found: Fields, text: str) -> None:
        if self.log.train:
            self.log.train[-1].add(found)

    def on_testing(self, found: Fields, text: str) -> None:
        row = Row(found["iter"], net=found.get("net", 0), seconds=self.clock.seconds(text))
        self.log.test.append(row)

    def on_test_output(self, found: Fields, text: str) -> None:
        if not self.log.test:
            self.log.test.append(Row(self._iter()))
        self.log.test[-1].add(found)

    on_test_score = on_test_output

    def on_test_loss(self, found: Fields, text: str) -> None:
        if self.log.test:
            self.log.test[-1].loss = found["loss"]

    def _iter(self) -> int:
        return self.log.train[-1].iter if self.log.train else 0

    def on_snapshotting(self, found: Fields, text: str) -> None:
        number = re.search(r"_iter_(\d+)", found["path"])
        self.log.snapshots.append((int(number[1]) if number else self._iter(), found["path"]))

    def on_clipping(self, found: Fields, text: str) -> None:
        self.log.clipped += 1

    def on_solving(self, found: Fields, text: str) -> None:
        self.log.name = found["name"]
        self.log.runs += 1
        self.log.ended = None
        self.clock.seconds(text)

    def on_policy(self, found: Fields, text: str) -> None:
        self.log.policy = found["policy"]

    def on_resuming(self, found: Fields, text: str) -> None:
        self.log.resumed.append(found["path"])

    def on_finetuning(self, found: Fields, text: str) -> None:
        self.log.finetuned.append(found["path"])

    def on_done(self, found: Fields, text: str) -> None:
        self.log.ended = "done"

    def on_stopped_early(self, found: Fields, text: str) -> None:
        if self.log.ended is None:
            self.log.ended = "stopped"

    def on_fatal(self, found: Fields, text: str) -> None:
        if "exception" in found:
            self.log.fatals.append(f"{found['exception']}: {found['detail']}")
        else:
            source = f"{found['source']}] " if "source" in found else ""
            self.log.fatals.append(source + (found.get("text") or found.get("signal") or ""))

    def finish(self) -> Log:
        self.log.solver_text = "\n".join(self.quotes["solver"])
        self.log.net_text = "\n".join(self.quotes["net"])
        return self.log


class _Clock:
    """Seconds since the first time stamp, across midnight and new year (the prefix has no year)."""

    def __init__(self) -> None:
        self.start: datetime | None = None
        self.last: datetime | None = None
        self.years = timedelta()

    def seconds(self, text: str) -> float | None:
        match = _STAMP.search(text)
        if not match:
            return None
        try:
            # (A leap year, so that every date exists.)
            now = datetime(2000, *map(int, match.groups())) + self.years  # type: ignore[arg-type]
        except ValueError:
            return None
        if self.last and self.last - now > timedelta(days=180):
            self.years += timedelta(days=366)
            now += timedelta(days=366)
        self.start, self.last = self.start or now, now
        return (now - self.start).total_seconds()
