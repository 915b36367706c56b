"""HDF5Data: rows of datasets in HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffekit.errors import os_errors
from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.graph.counts import check_counts
from caffekit.pycaffe.batches import naming
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.data_transformer import Array
from caffekit.pycaffe.layer import Layer, Shape
from caffekit.pycaffe.log import log, log_hdf5_class
from caffekit.pycaffe.mode import device, solver_count, solver_rank
from caffekit.pycaffe.shuffles import random_shuffle

# numpy's kind of a dataset → Caffe's name and line; each is logged once in a process.


class HDF5Data(Layer):
    """Batches of rows: each top holds the dataset of its name; batches run on from file to file, for ever.

    Tops: (N, …), as many as there are, N being the batch size and … the shape of the dataset's rows.
    hdf5_data_param: source (a text file of file names), batch_size, shuffle (files, and rows within a file).
    One file at a time is held in memory, as float32.
    Among several solvers, in TRAIN, each takes the rows i with i % solver_count = solver_rank.
    """

    type = "HDF5Data"

    def setup(self, bottom: Sequence[Blob]) -> None:
        param, name = self.layer_param, self.layer_param.name
        check_counts(param)
        if param.HasField("transform_param"):
            raise ValueError(f"layer '{name}': HDF5Data does not transform data; leave transform_param out")
        self.size = param.hdf5_data_param.batch_size
        if not self.size:
            raise ValueError(f"layer '{name}': batch_size must be positive")
        self.rank, self.count = (solver_rank(), solver_count()) if self.phase == TRAIN else (0, 1)
        with naming(name):
            self.rows = _Rows(param.hdf5_data_param, list(param.top))
        self.names: list[str] = []

    def top_shapes(self, bottom: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        return [(self.size, *array.shape[1:]) for array in self.rows.arrays], []

    def skip(self, batches: int) -> None:
        """Begin `batches` batches further on: a resumed run goes on in the data where it stopped."""
        with naming(self.layer_param.name):
            for _ in range(batches * self.size * self.count):
                self.rows.advance()

    def record(self, item: int) -> str:
        """The file and row that is item `item` of the current batch."""
        return self.names[item]

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        with naming(self.layer_param.name):
            batch = self._next()
        for blob, array in zip(top, batch, strict=True):
            blob.value = torch.from_numpy(array).to(device())

    def _next(self) -> list[Array]:
        rows = self.rows
        out = [np.empty((self.size, *array.shape[1:]), np.float32) for array in rows.arrays]
        self.names = []
        for i in range(self.size):
            while rows.number % self.count != self.rank:
                rows.advance()
            for array, source in zip(out, rows.arrays, strict=True):
                array[i] = source[rows.order[rows.at]]
            self.names.append(f"{rows.file}: row {rows.order[rows.at]}")
            rows.advance()
        return out


class _Rows:
    """A position in the rows of the listed files; `number` counts all rows that have gone by."""

    def __init__(self, param: Any, tops: list[str]) -> None:
        self.tops, self.shuffle = tops, param.shuffle
        log("hdf5_data_layer.cpp:81", f"Loading list of HDF5 filenames from: {param.source}")
        with os_errors("Failed to open source file:", param.source):
            self.files = Path(param.source).read_text(encoding="utf-8", errors="surrogateescape").split()
        log("hdf5_data_layer.cpp:95", f"Number of HDF5 files: {len(self.files)}")
        if not self.files:
            raise ValueError(f"Must have at least 1 HDF5 filename listed in {param.source}")
        self.files_order = list(range(len(self.files)))
        self._shuffle(self.files_order)
        self.number = self.at = self.turn = 0
        self.arrays: list[Array] = []
        self._load()

    def advance(self) -> None:
        """Go to the next row, of the next file after a file's last one, shuffling where Caffe does."""
        self.number += 1
        self.at += 1
        if self.at < len(self.order):
            return
        if len(self.files) > 1:
            self.turn += 1
            if self.turn == len(self.files):
                self.turn = 0
                self._shuffle(self.files_order)
            self._load()
        self.at = 0
        self._shuffle(self.order)

    def _load(self) -> None:
        self.file = self.files[self.files_order[self.turn]]
        before = [array.shape[1:] for array in self.arrays]
        self.arrays = read_datasets(self.file, self.tops)
        shapes = [array.shape[1:] for array in self.arrays]
        if before and before != shapes:
            raise ValueError(
                f"{self.file}: its rows are {shapes}, those before {before}; all files must agree"
            )
        self.order = list(range(len(self.arrays[0])))
        self._shuffle(self.order)

    def _shuffle(self, order: list[int]) -> None:
        if self.shuffle:
            random_shuffle(order)


def read_datasets(file: str, names: list[str]) -> list[Array]:
    """The datasets `names` of an HDF5 file, float32, all of as many rows.

    ValueError naming the file: no HDF5, a dataset missing or not of numbers, unequal rows.
    """
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            arrays = [_dataset(opened, name, file) for name in names]
    except OSError as error:
        reason = "damaged, or not HDF5" if Path(file).exists() else "no such file"
        raise ValueError(
            f"Failed opening HDF5 file: {file} ({reason}); names in the list are relative to"
            " the working directory"
        ) from error
    rows = {name: len(array) for name, array in zip(names, arrays, strict=True)}
    if len(set(rows.values())) != 1 or not rows[names[0]]:
        counts = ", ".join(f"{name} has {count}" for name, count in rows.items())
        raise ValueError(f"{file}: all datasets must have equally many rows, at least 1: {counts}")
    return arrays


def _dataset(opened: Any, name: str, file: str) -> Array:
    import h5py

    found = opened.get(name)
    if not isinstance(found, h5py.Dataset):
        there = ", ".join(opened) or "none"
        raise ValueError(f"{file}: Failed to find HDF5 dataset {name} (there are: {there}); name the top so")
    if found.dtype.kind not in "fiu":
        raise ValueError(f"{file}: dataset {name}: Unsupported datatype class: {found.dtype}; store float32")
    if found.ndim < 1:
        raise ValueError(f"{file}: dataset {name}: Input must have at least 1 axis.")
    log_hdf5_class(found.dtype.kind)
    array: Array = np.asarray(found[()], np.float32)
    return array
