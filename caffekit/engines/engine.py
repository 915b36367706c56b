"""An engine: a Python interpreter in which `import caffe` works, and child processes under it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffekit.engines.feeders import Feeders
from caffekit.engines.followers import Followers
from caffekit.engines.job import Job
from caffekit.engines.last_words import last_words
from caffekit.errors import from_os_error
from caffekit.formats.atomic import write_text

INSIDE = Path(__file__).parent.parent / "inside_caffe"
TICK_SECONDS = 0.25
# An aborted worker ends at its next iteration; one that hangs is killed after so long.
ABORT_SECONDS = 20.0
EXIT_SECONDS = 60.0
# After these the worker waits for an answer before it goes on.
ASKING = ("display", "alarm", "snapshot")

Event = dict[str, Any]
Observe = Callable[[Event], str | None]


@dataclass(frozen=True)
class Outcome:
    """How a worker ended: done, stopped, orphaned, error or died; `message` are its last words."""

    reason: str
    message: str = ""
    exit_code: int = 0
    iter: int = 0


@dataclass(frozen=True)
class Engine:
    """`command` starts Python with real or embedded Caffe; `version` is what its `caffe` says."""

    name: str
    command: tuple[str, ...]
    version: str = ""
    path: str = ""
    """Where its interpreter stands, for people."""
    env: Mapping[str, str] = field(default_factory=dict)

    def popen(self, script: str, *args: str, **how: Any) -> subprocess.Popen[bytes]:
        """Start inside_caffe/SCRIPT in a session of its own, so that Ctrl-C reaches the parent alone."""
        env = {**os.environ, "GLOG_logtostderr": "1", **self.env}
        env.pop("GLOG_minloglevel", None)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(INSIDE), env.get("PYTHONPATH")]))
        command = [*self.command, str(INSIDE / script), *args]
        try:
            return subprocess.Popen(command, env=env, start_new_session=True, **how)
        except OSError as error:
            raise from_os_error(error, f"starting {self.command[0]}") from error

    def run(
        self, job: Job, observe: Observe, log_path: Path, tick: Callable[[], str | None] = lambda: None
    ) -> Outcome:
        """Train `job` to its end. The child's own log is appended to `log_path`.

        `observe(event)` is called with every event; it, and `tick()` (four times a second), may return
        "stop", "abort", "snapshot" or "kill". If either raises, the child saves its state and ends.
        """
        reading, writing = os.pipe()
        job_path = log_path.with_name("job.json")
        start = log_path.stat().st_size if log_path.exists() else 0
        with (
            open(log_path, "ab") as log,
            os.fdopen(reading, "rb", buffering=0) as events,
            Followers(self.popen, job, log_path) as followers,
            Feeders(job, log) as feeders,
        ):
            told = {
                **job.as_json(), "ranks": followers.ranks(0), "events_fd": writing, "feeds": feeders.fds
            }  # fmt: skip
            write_text(job_path, json.dumps(told, indent=2) + "\n")
            try:
                child = self.popen(
                    "worker.py", str(job_path),
                    stdin=subprocess.PIPE, stdout=log, stderr=log,
                    pass_fds=[writing, *feeders.fds.values()],
                )  # fmt: skip
            finally:
                os.close(writing)
                feeders.hand_over()
            with _Child(child) as running:
                end = running.follow(events.fileno(), observe, lambda: followers.watch() or tick())
            followers.watch()
        outcome = _outcome(child.returncode, end, log_path, start)
        if followers.failure and outcome.reason in ("error", "died"):
            return replace(outcome, reason="error", message=followers.failure)
        return outcome


class _Child:
    """A running worker: sends it commands, and never leaves it behind."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.kill_at: float | None = None

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *error: object) -> None:
        """Closing its standard input tells the worker to save its state and end."""
        assert self.process.stdin  # noqa: S101 - it was started with a pipe
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def follow(self, events: int, observe: Observe, tick: Callable[[], str | None]) -> Event:
        """Hand on every event until the pipe closes; the last one ({} if there was none)."""
        last: Event = {}
        for event in self.events(events):
            if event is not None:
                last = event
                self.say(observe(event) or ("go" if event["event"] in ASKING else None))
            self.say(tick())
            if self.kill_at is not None and time.monotonic() > self.kill_at:
                self.process.kill()
        return last

    def events(self, fd: int) -> Iterator[Event | None]:
        """The events, and None when nothing came for a while."""
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while True:
                if not selector.select(TICK_SECONDS):
                    yield None
                    continue
                data = os.read(fd, 65536)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                yield from map(json.loads, lines)

    def say(self, command: str | None) -> None:
        """Send a command; "kill" is carried out here, "abort" is given a while."""
        if command == "kill":
            self.process.kill()
        elif command and self.process.stdin:
            if command == "abort" and self.kill_at is None:
                self.kill_at = time.monotonic() + ABORT_SECONDS
            with contextlib.suppress(BrokenPipeError):  # it is ending already; its events say how
                self.process.stdin.write(command.encode() + b"\n")
                self.process.stdin.flush()


def _outcome(code: int, last: Event, log_path: Path, start: int) -> Outcome:
    """What the last event and the exit code say together."""
    iteration = int(last.get("iter", 0))
    if last.get("event") == "end" and code in (0, -signal.SIGKILL):
        return Outcome(str(last["reason"]), "", code, iteration)
    if last.get("event") == "error":
        message = str(last["message"] or last["kind"]).splitlines()[0]
        return Outcome("error", message, code, iteration)
    return Outcome("died", last_words(code, log_path, start), code, iteration)
