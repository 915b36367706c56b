"""Several or float labels per image: what gen-lmdb writes of a CSV's label columns beside the database."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffekit.formats.image_list import ImageList
from caffekit.formats.label_store import Vectors, write_hdf5_source, write_label_hdf5, write_label_lmdb
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.report import Report


def write_vectors(
    places: dict[str, Path],
    out: Path,
    database: Path,
    vectors: Vectors,
    images: ImageList,
    kind: str,
    report: Report,
) -> None:
    """Write `vectors`, a row per record of `database`, as a second LMDB or as HDF5, and say so."""
    if kind == "lmdb":
        with LmdbReader(database) as reader:
            write_label_lmdb(places["label_lmdb"], (key for key, _ in reader.records()), vectors)
        stored = out.with_name(f"{out.name}.labels.lmdb")
        how = f'a second Data layer, source: "{stored}", with the same batch_size'
    else:
        stored = out.with_name(f"{out.name}.labels.h5")
        write_label_hdf5(places["label_hdf5"], vectors)
        write_hdf5_source(places["label_source"], stored)
        how = f'an HDF5Data layer, top: "label", source: "{stored}.txt"'
    names = images.table.labels if images.table else []
    report.summary["labels"] = {}
    report.summary["label_store"] = str(stored)
    report.summary["label_columns"] = [
        {"name": name, "min": float(column.min()), "max": float(column.max()), "mean": float(np.mean(column))}
        for name, column in zip(names, vectors.T, strict=True)
    ]
    report.lines.append(f"labels {', '.join(names)} → {stored}: read them with {how}")
