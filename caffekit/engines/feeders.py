"""The processes that make batches for data layers of real Caffe, each at one end of a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from caffekit.engines.job import Job
from caffekit.errors import from_os_error

CHECKOUT = Path(__file__).parent.parent.parent


class Feeders:
    """A feeder for each layer in job.feeds, started on entry and gone on exit; nothing when there is none.

    `fds` {layer: file descriptor} are what the worker reads from; it must inherit them. What the feeders
    say goes to `log`.
    """

    def __init__(self, job: Job, log: BinaryIO) -> None:
        self.job, self.log = job, log
        self.fds: dict[str, int] = {}
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Feeders:
        try:
            for name, skip in self.job.feeds.items():
                self._start(name, skip)
        except OSError as error:
            self.__exit__()
            raise from_os_error(error, "starting a feeding process") from error
        return self

    def hand_over(self) -> None:
        """Close what the worker has inherited: when it ends, its feeders find nobody reading."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}

    def __exit__(self, *error: object) -> None:
        self.hand_over()
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self, name: str, skip: int) -> None:
        reading, writing = os.pipe()
        self.fds[name] = reading
        path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
        net = self.job.param.train_net or self.job.param.net
        command = [sys.executable, "-P", "-m", "caffekit.engines.feeder", net, name, str(writing)]
        try:
            self.processes.append(
                subprocess.Popen(
                    [*command, str(skip), str(self.job.param.random_seed)],
                    env={**os.environ, "PYTHONPATH": path, "GLOG_minloglevel": "1"},
                    start_new_session=True, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                    pass_fds=[writing],
                )
            )  # fmt: skip
        finally:
            os.close(writing)
