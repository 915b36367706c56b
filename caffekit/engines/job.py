"""What the training worker is told: one job, written as JSON beside the attempt's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any

from caffekit.formats.caffe_pb2 import TRAIN, DataParameter, SolverParameter
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.graph import filter_net


@dataclass(frozen=True)
class Job:
    """One training attempt. `solver` is a solver.prototxt whose snapshot_prefix is a file name, not a folder.

    device: a GPU's number, None for the CPU. skip: batches to leave out, per data layer.
    best: {"output", "value"} of the first test net's output whose best weights are kept, or None.
    """

    solver: Path
    param: Any
    """The SolverParameter in that file."""
    device: int | None = None
    weights: tuple[Path, ...] = ()
    restore: Path | None = None
    skip: dict[str, int] = field(default_factory=dict)
    best: dict[str, Any] | None = None
    also: tuple[int | None, ...] = ()
    """Further devices, each with a process that trains along on its own share of the records."""

    def as_json(self) -> dict[str, Any]:
        """What the worker reads (see inside_caffe/worker.py)."""
        param = self.param
        return {
            "solver": str(self.solver),
            "device": self.device,
            "weights": [str(path) for path in self.weights],
            "restore": str(self.restore) if self.restore else None,
            "skip": self.skip,
            "best": self.best,
            "snapshot_prefix": param.snapshot_prefix,
            "snapshot": param.snapshot,
            "snapshot_format": SolverParameter.SnapshotFormat.Name(param.snapshot_format),
            "display": param.display,
            "max_iter": param.max_iter,
            "iter_size": param.iter_size,
            "test_iter": list(param.test_iter),
        }


def batches_to_skip(net: Any, iteration: int, iter_size: int = 1) -> dict[str, int]:
    """How far each Data layer of the training net had read, in batches, modulo its LMDB's cycle.

    After N / gcd(N, batch) batches of an LMDB of N records the first one begins with record 0 again.
    """
    skip = {}
    for layer in filter_net(net, TRAIN).layer:
        param = layer.data_param
        if layer.type != "Data" or param.backend != DataParameter.LMDB or not param.batch_size:
            continue
        with LmdbReader(Path(param.source)) as reader:
            records = len(reader)
        cycle = records // gcd(records, param.batch_size)
        if records and iteration * iter_size % cycle:
            skip[layer.name] = iteration * iter_size % cycle
    return skip
