"""Several or float labels per image beside an LMDB, record by record: a second LMDB, or HDF5.

Datum.label is one integer. A second Data layer reads float_data of K channels from the one; from the other an
HDF5Data layer, which does not shuffle unless told, reads the rows of the dataset `label`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import DataError
from caffekit.formats.atomic import write_text
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.csv_list import Table, is_finite
from caffekit.formats.lmdb_store import write_lmdb

Vectors = NDArray[np.float32]


def label_vectors(table: Table | None, source: Path) -> Vectors | None:
    """The label columns of a CSV as (images, columns); None where one column holds classes.

    DataError for a cell that is no finite number.
    """
    if table is None:
        return None
    columns = [table.column(name) for name in table.labels]
    if len(columns) == 1 and not any(is_finite(cell) and not cell.isdecimal() for cell in columns[0]):
        return None
    out = np.empty((len(table.rows), len(columns)), np.float32)
    for place, (name, cells) in enumerate(zip(table.labels, columns, strict=True)):
        for row, cell in enumerate(cells):
            value = float(cell) if is_finite(cell) else math.nan
            if not abs(value) <= float(np.finfo(np.float32).max):
                path = table.column("path")[row]
                raise DataError(
                    f"{source}: {path}: {name} is {cell!r}, expected a finite number",
                    "several labels must be numbers; a single column may also hold class names",
                )
            out[row, place] = value
    return out


def write_label_lmdb(path: Path, keys: Iterable[bytes], vectors: Vectors) -> None:
    """An LMDB with the images' own keys, whose records are the rows: `channels` floats each."""

    def record(row: Vectors) -> bytes:
        datum = Datum(channels=len(row), height=1, width=1, float_data=row.tolist())
        value: bytes = datum.SerializeToString()
        return value

    write_lmdb(path, zip(keys, map(record, vectors), strict=True))


def write_label_hdf5(path: Path, vectors: Vectors) -> None:
    """The dataset `label` of an HDF5 file, a row per record of the LMDB."""
    import h5py

    with h5py.File(path, "w", libver=("earliest", "v108")) as file:  # what real Caffe's HDF5 reads
        file.create_dataset("label", data=vectors, track_times=False)


def write_hdf5_source(path: Path, hdf5: Path) -> None:
    """The list of files that an HDF5Data layer's `source` names."""
    write_text(path, f"{hdf5}\n")
