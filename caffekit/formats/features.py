"""Feature files: a row of numbers per image, and which image each row belongs to.

.npz and HDF5 hold the arrays `features` (or `data`) and `paths`, an LMDB a Datum per image whose key ends
with the path, as gen-lmdb's do. Without paths (.npy, or keys that are numbers) rows are in the images' order.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import DataError, FormatError, os_errors

HINT = "expected the arrays features (images × numbers) and paths, as `caffekit extract` writes them"
NAMES = ("features", "data")
HDF5_MAGIC, NPY_MAGIC = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY"

Paths = list[str] | None


def read_features(path: Path, wanted: Sequence[str]) -> NDArray[np.float32]:
    """The features of the images `wanted`, a row each, in their order.

    FormatError if the file is no such file, DataError naming an image that it lacks.
    """
    features, paths = _read(path)
    count = len(wanted) if paths is None else len(paths)
    if features.ndim < 2 or features.dtype.kind not in "fiu" or paths is not None and len(features) != count:
        raise FormatError(
            f"{path}: features of shape {features.shape} ({features.dtype}), {count} paths", HINT
        )
    if len(features) != count:
        hint = f"its rows have no paths, so there must be one for each image; {HINT}"
        raise DataError(f"{path} has {len(features)} rows of features for {count} images", hint)
    chosen = np.asarray(features if paths is None else features[_places(path, paths, wanted)], np.float32)
    chosen = chosen.reshape(len(chosen), -1)
    bad = np.flatnonzero(~np.isfinite(chosen).all(1))
    if len(bad):
        raise DataError(f"{path}: the features of {wanted[bad[0]]} are not finite", "extract them again")
    return chosen


def _places(path: Path, paths: list[str], wanted: Sequence[str]) -> list[int]:
    place = {name: i for i, name in enumerate(paths)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise DataError(
            f"{path} has no features of {len(missing)} of {len(wanted)} images, first {missing[0]}",
            "extract them from the same list",
        )
    return [place[name] for name in wanted]


def _read(path: Path) -> tuple[NDArray[Any], Paths]:
    if path.is_dir() or path.suffix in (".lmdb", ".mdb"):
        return _read_lmdb(path)
    with os_errors("reading", path), open(path, "rb") as file:
        start = file.read(len(HDF5_MAGIC))
    return _read_hdf5(path) if start == HDF5_MAGIC else _read_numpy(path, start.startswith(NPY_MAGIC))


def _read_numpy(path: Path, alone: bool) -> tuple[NDArray[Any], Paths]:
    try:
        with os_errors("reading", path), open(path, "rb") as file:
            if alone:
                return np.asarray(np.load(file, allow_pickle=False)), None
            arrays = np.load(file, allow_pickle=False)
            return _named(
                path, {name: arrays[name] for name in arrays.files if name in (*NAMES, "paths")}, arrays.files
            )
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: not an .npz of features ({error})", HINT) from error


def _read_hdf5(path: Path) -> tuple[NDArray[Any], Paths]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = {name: file[name] for name in (*NAMES, "paths") if name in file}
            arrays = {
                name: data.asstr()[:] if name == "paths" else data[:]
                for name, data in found.items()
                if isinstance(data, h5py.Dataset)
            }
            return _named(path, arrays, list(file))
    except (OSError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: not an HDF5 file of features ({error})", HINT) from error


def _named(path: Path, arrays: dict[str, Any], names: list[str]) -> tuple[NDArray[Any], Paths]:
    features = next((arrays[name] for name in NAMES if name in arrays), None)
    if features is None:
        raise FormatError(f"{path}: arrays {', '.join(names) or 'none'}", HINT)
    paths = arrays.get("paths")
    return features, None if paths is None else [str(name) for name in paths.tolist()]


def _read_lmdb(path: Path) -> tuple[NDArray[Any], Paths]:
    from caffekit.formats.datum import datum_array, parse_datum
    from caffekit.formats.lmdb_store import LmdbReader

    rows, keys = [], []
    with LmdbReader(path) as reader:
        for key, value in reader.records():
            name = key.decode(errors="replace")
            where = f"{path}: record {name}"
            rows.append(datum_array(parse_datum(value, where), where).ravel())
            keys.append(name)
    if len({row.shape for row in rows}) != 1:
        raise FormatError(f"{path}: its records differ in length, or there are none", HINT)
    numbered = all(key.isdecimal() for key in keys)
    return np.array(rows), None if numbered else [re.sub(r"^\d{8,}_", "", key) for key in keys]
