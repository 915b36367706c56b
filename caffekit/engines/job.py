"""What the training worker is told: one job, written as JSON beside the attempt's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any

from caffekit.errors import os_errors
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
    feeds: dict[str, int] = field(default_factory=dict)
    """The data layers that get their batches from a process of ours, and the batches that it leaves out."""

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
    """How far each data layer of the training net had read, in batches, modulo its records' cycle.

    After N / gcd(N, batch) batches of N records the first one begins with record 0 again. Layers that shuffle
    or begin at random are left out: no run repeats their order unless it has its seed.
    """
    skip = {}
    for layer in filter_net(net, TRAIN).layer:
        records, batch = RECORDS[layer.type](layer) if layer.type in RECORDS else (0, 0)
        if records and batch and iteration * iter_size % (cycle := records // gcd(records, batch)):
            skip[layer.name] = iteration * iter_size % cycle
    return skip


def _lmdb_records(layer: Any) -> tuple[int, int]:
    param = layer.data_param
    if param.backend != DataParameter.LMDB:
        return 0, 0
    with LmdbReader(Path(param.source)) as reader:
        return len(reader), param.batch_size


def _listed_images(layer: Any) -> tuple[int, int]:
    param = layer.image_data_param
    if param.shuffle or param.rand_skip:
        return 0, 0
    with os_errors("reading", param.source):
        lines = Path(param.source).read_bytes().rstrip().splitlines()
    return len(lines), param.batch_size


def _hdf5_rows(layer: Any) -> tuple[int, int]:
    import h5py

    param, rows = layer.hdf5_data_param, 0
    if param.shuffle:
        return 0, 0
    with os_errors("reading", param.source):
        for name in Path(param.source).read_text(encoding="utf-8", errors="surrogateescape").split():
            with h5py.File(name, "r") as file:
                rows += len(file[layer.top[0]]) if layer.top[0] in file else 0
    return rows, param.batch_size


RECORDS = {"Data": _lmdb_records, "HDF5Data": _hdf5_rows, "ImageData": _listed_images}
"""(records in a cycle, batch size) of the layers that read in a fixed order."""
