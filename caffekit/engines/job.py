"""What the training worker is told: one job, written as JSON beside the attempt's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
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


class Chance(Enum):
    """What a layer draws at random: nothing, crops and mirrors, its order, or its order whatever the seed."""

    NONE = 0
    IMAGES = 1
    ORDER = 2
    UNSEEDED = 3


def batches_to_skip(
    net: Any, iteration: int, iter_size: int = 1, seeded: bool = False, exactly: bool = False
) -> dict[str, int]:
    """How many batches each data layer of the training net must leave out to go on where it was.

    After N / gcd(N, batch) batches of N records the first one begins with record 0 again, so whole cycles
    need not be left out. Where the order, crops or mirrors were drawn at random they must, `exactly`, if the
    same numbers come again (`seeded`: the solver has a random_seed). Without a seed a shuffled list begins
    anew, in an order that no run has had.
    """
    skip = {}
    for layer in filter_net(net, TRAIN).layer:
        records, batch, chance = RECORDS[layer.type](layer) if layer.type in RECORDS else (0, 0, Chance.NONE)
        if not (records and batch) or (chance is Chance.ORDER and not seeded):
            continue
        batches = iteration * iter_size
        comes_again = chance is Chance.UNSEEDED or (seeded and chance is not Chance.NONE)
        if not (exactly and comes_again):
            batches %= records // gcd(records, batch)
        if batches:
            skip[layer.name] = batches
    return skip


Records = tuple[int, int, Chance]


def _of_images(layer: Any) -> Chance:
    transform = layer.transform_param
    return Chance.IMAGES if transform.mirror or transform.crop_size else Chance.NONE


def _lmdb_records(layer: Any) -> Records:
    param = layer.data_param
    if param.backend != DataParameter.LMDB:
        return 0, 0, Chance.NONE
    with LmdbReader(Path(param.source)) as reader:
        return len(reader), param.batch_size, _of_images(layer)


def _listed_images(layer: Any) -> Records:
    param = layer.image_data_param
    with os_errors("reading", param.source):
        lines = Path(param.source).read_bytes().rstrip().splitlines()
    chance = Chance.ORDER if param.shuffle or param.rand_skip else _of_images(layer)
    return len(lines), param.batch_size, chance


def _hdf5_rows(layer: Any) -> Records:
    import h5py

    param, rows = layer.hdf5_data_param, 0
    with os_errors("reading", param.source):
        for name in Path(param.source).read_text(encoding="utf-8", errors="surrogateescape").split():
            with h5py.File(name, "r") as file:
                rows += len(file[layer.top[0]]) if layer.top[0] in file else 0
    # It shuffles with libc's rand(), which nothing in Caffe seeds: every process begins with the same order.
    return rows, param.batch_size, Chance.UNSEEDED if param.shuffle else Chance.NONE


RECORDS = {"Data": _lmdb_records, "HDF5Data": _hdf5_rows, "ImageData": _listed_images}
"""(records in a cycle, batch size, what is drawn) of the layers that go through their records in rounds."""
