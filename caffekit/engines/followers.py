"""The processes that train along with a worker, one on each further device."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from caffekit.engines.job import Job
from caffekit.engines.last_words import last_words
from caffekit.formats.atomic import write_text


class Followers:
    """A worker for each of job.also, started on entry and gone on exit; nothing when there is none.

    Their jobs and logs stand beside the log of the first worker, with their rank in the name.
    """

    def __init__(self, popen: Callable[..., subprocess.Popen[bytes]], job: Job, log_path: Path) -> None:
        self.popen, self.job, self.log_path = popen, job, log_path
        self.processes: list[subprocess.Popen[bytes]] = []
        self.uid = ""
        self.failure = ""
        """The last words of the first one that failed of itself."""

    def __enter__(self) -> Followers:
        if not self.job.also:
            return self
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="caffekit-meeting-"))
            self.uid = f"file://{folder}/meeting"
            stack.callback(self._end)
            for rank, device in enumerate(self.job.also, 1):
                self._start(rank, device)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        if self.job.also:
            self._stack.close()

    def ranks(self, rank: int) -> dict[str, Any] | None:
        """What worker `rank` is told of the others: rank, count, uid; None where there are none."""
        return {"rank": rank, "count": 1 + len(self.job.also), "uid": self.uid} if self.job.also else None

    def watch(self) -> str | None:
        """ "kill" once one has failed: the first worker would wait for it for ever.

        One that fails because the first worker has left does not count.
        """
        for rank, process in enumerate(self.processes, 1):
            if not self.failure and process.poll() not in (None, 0):
                words = last_words(process.returncode, self._log(rank), 0)
                if "onnection" not in words:
                    self.failure = f"process {rank} of those that train along: {words}"
        return "kill" if self.failure else None

    def _start(self, rank: int, device: int | None) -> None:
        path = self.log_path.with_name(f"job.{rank}.json")
        told = {**self.job.as_json(), "device": device, "ranks": self.ranks(rank)}
        write_text(path, json.dumps(told, indent=2) + "\n")
        with open(self._log(rank), "wb") as log:
            process = self.popen("worker.py", str(path), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)

    def _log(self, rank: int) -> Path:
        return self.log_path.with_name(f"{self.log_path.stem}.{rank}{self.log_path.suffix}")

    def _end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
