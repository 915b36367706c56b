"""Score images with a net, in a child process of an engine."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from caffekit.engines.engine import Engine
from caffekit.engines.last_words import last_words
from caffekit.errors import EngineDied

Array = NDArray[np.float32]


class Scorer:
    """A net that stands ready: `input_shape` is its Input layer's, `scores` runs batches through it."""

    def __init__(self, child: subprocess.Popen[bytes], out: IO[bytes], log: Path) -> None:
        self.child, self.out, self.log = child, out, log
        self.input_shape: tuple[int, ...] = tuple(self._header()["input"])

    def scores(self, batches: Iterable[Array]) -> Iterator[Array]:
        """(n, k) scores for each (n, c, h, w) batch, in order; the next batch is made meanwhile."""
        waiting = 0
        for batch in batches:
            if waiting:
                yield self._read()
            self._send(batch)
            waiting = 1
        if waiting:
            yield self._read()

    def _send(self, batch: Array) -> None:
        stdin: Any = self.child.stdin
        try:
            stdin.write(json.dumps({"shape": batch.shape}).encode() + b"\n")
            stdin.write(np.ascontiguousarray(batch, np.float32).tobytes())
            stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _read(self) -> Array:
        shape = self._header()["shape"]
        data = self.out.read(4 * int(np.prod(shape)))
        return np.frombuffer(data, np.float32).reshape(shape)

    def _header(self) -> dict[str, Any]:
        line = self.out.readline()
        if not line:
            raise self._died()
        header: dict[str, Any] = json.loads(line)
        return header

    def _died(self) -> EngineDied:
        words = last_words(self.child.wait(), self.log)
        return EngineDied(f"scoring died: {words}", "check that net and weights belong together")


@contextmanager
def open_scorer(engine: Engine, net: Path, weights: Path, device: int | None = None) -> Iterator[Scorer]:
    """Load `net` (deploy) and `weights` in a child of `engine`. EngineDied, saying why, if it fails."""
    with tempfile.TemporaryDirectory(prefix="caffekit-") as folder:
        reading, writing = os.pipe()
        job = {"net": str(net), "weights": str(weights), "device": device, "out_fd": writing}
        job_path, log = Path(folder) / "job.json", Path(folder) / "log"
        job_path.write_text(json.dumps(job), encoding="utf-8")
        with open(log, "wb") as stderr, os.fdopen(reading, "rb") as out:
            try:
                child = engine.popen(
                    "scorer.py", str(job_path),
                    stdin=subprocess.PIPE, stdout=stderr, stderr=stderr, pass_fds=[writing],
                )  # fmt: skip
            finally:
                os.close(writing)
            try:
                yield Scorer(child, out, log)
            finally:
                child.kill()
                child.wait()
                if child.stdin:
                    child.stdin.close()
