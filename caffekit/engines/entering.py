"""What really enters a net: heads of nets, run in a child process of an engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffekit.engines.engine import Engine
from caffekit.engines.last_words import last_words
from caffekit.errors import EngineDied

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """The first layers of a net, up to `blob`; `batch` goes into its Input, unless it reads a database.

    raw: `batch` are pixels (n, h, w, c), which Caffe's own Transformer prepares with `mean` and `scale`.
    """

    net: Path
    blob: str
    weights: Path | None = None
    batch: NDArray[np.generic] | None = None
    raw: bool = False
    mean: Sequence[float] = ()
    scale: float = 1.0


def entering(engine: Engine, heads: Sequence[Head], folder: Path) -> list[Array]:
    """The blob of each head, in order, computed on the CPU. Files go to `folder`. EngineDied, saying why."""
    jobs, outs = [], []
    for number, head in enumerate(heads):
        given = folder / f"{engine.name}-in-{number}.npy"
        if head.batch is not None:
            np.save(given, head.batch)
        outs.append(folder / f"{engine.name}-out-{number}.npy")
        jobs.append(
            {
                "net": str(head.net), "weights": head.weights and str(head.weights), "blob": head.blob,
                "input": str(given) if head.batch is not None else None, "raw": head.raw,
                "mean": list(head.mean), "scale": head.scale, "out": str(outs[-1]),
            }
        )  # fmt: skip
    job, log = folder / f"{engine.name}.json", folder / f"{engine.name}.log"
    job.write_text(json.dumps(jobs), encoding="utf-8")
    with open(log, "wb") as out:
        child = engine.popen("entry.py", str(job), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            code = child.wait()
        finally:
            child.kill()
    if code:
        raise EngineDied(
            f"{engine.name}: reading a file failed: {last_words(code, log)}", "caffekit lint the net"
        )
    return [np.load(path) for path in outs]
