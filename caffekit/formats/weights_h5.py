"""Weights and solver states as Caffe's HDF5 files (snapshot_format: HDF5).

Layout (src/caffe/net.cpp ToHDF5, sgd_solver.cpp): `data/LAYER/INDEX`, a group for every layer, a dataset for
every parameter that is not a shared copy; `diff/…` likewise, shared ones too. A solver state has `iter`,
`current_step`, `learned_net` and `history/INDEX`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError, os_errors
from caffekit.formats.atomic import atomic_file
from caffekit.formats.blobs import blob_array, to_blob
from caffekit.formats.caffe_pb2 import SolverState

Array = NDArray[np.float32]
Arrays = Sequence[NDArray[Any] | None]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_RATIO = 64
"""How much larger than its bytes on disk a compressed dataset may be; zeros of no end are no weights."""
MAX_NAME = 4096


def is_hdf5(path: Path | str) -> bool:
    """Whether `path` is an HDF5 file, by its content as in Caffe; False for a file that cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def write_hdf5(path: Path, layers: Mapping[str, Arrays], diffs: Mapping[str, Arrays] | None = None) -> None:
    """Write the parameters of each layer (None: shared, kept by its owner) and their diffs, atomically.

    FormatError for a layer whose name has a '/': HDF5 would take it for a path, and BVLC aborts.
    """
    for name in layers:
        if not name or "/" in name or name == ".":
            raise FormatError(
                f"{path}: Error saving weights: HDF5 has no place for a layer named '{name}'",
                "rename the layer, or use snapshot_format: BINARYPROTO",
            )
    with _created(path) as file:
        for part, arrays in (("data", layers), ("diff", diffs)):
            if arrays is None:
                continue
            root = file.create_group(part)
            for name, values in arrays.items():
                _write_arrays(root.create_group(name), values)


def read_hdf5(path: Path) -> dict[str, list[Array | None]]:
    """The parameters of each layer; None stands where the file leaves one to the layer that owns it.

    FormatError naming the file (and the layer) for anything else; DataError for a file that is not there.
    """
    with _opened(path) as file:
        data = _group(path, file, "data", "weights (.caffemodel.h5)")
        return {
            name: _read_arrays(path, _group(path, data, name, "weights (.caffemodel.h5)"), f"data/{name}")
            for name in data
        }


def write_hdf5_state(path: Path, state: Any) -> None:
    """Write a SolverState as Caffe does, atomically."""
    import h5py

    with _created(path) as file:
        for name in ("iter", "current_step"):
            file.create_dataset(name, data=np.array([getattr(state, name)], np.int32))
        text = h5py.h5t.C_S1.copy()
        raw = state.learned_net.encode()
        text.set_size(len(raw) + 1)
        text.set_strpad(h5py.h5t.STR_NULLTERM)
        where = h5py.h5s.create(h5py.h5s.SCALAR)
        dataset = h5py.h5d.create(file.id, b"learned_net", text, where)
        dataset.write(where, where, np.array(raw, f"S{len(raw) + 1}"))
        _write_arrays(file.create_group("history"), [blob_array(blob) for blob in state.history])


def read_hdf5_state(path: Path) -> Any:
    """The SolverState in an HDF5 file; errors as read_hdf5."""
    what = "a solver state (.solverstate.h5)"
    with _opened(path) as file:
        history = _read_arrays(path, _group(path, file, "history", what), "history")
        state = SolverState(iter=_int(path, file, "iter"), current_step=_int(path, file, "current_step"))
        if "learned_net" in file:
            state.learned_net = _text(path, file)
    for i, values in enumerate(history):
        if values is None:
            raise FormatError(f"{path}: not {what}: history/{i} is missing")
        state.history.append(to_blob(values))
    return state


@contextmanager
def _created(path: Path) -> Iterator[Any]:
    import h5py

    # The oldest form, which the HDF5 library of every Caffe reads.
    with atomic_file(Path(path)) as temporary, h5py.File(temporary, "w", libver=("earliest", "v108")) as file:
        yield file


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, opened; whatever HDF5 finds wrong with it inside the block is a FormatError."""
    import h5py

    with os_errors("reading", path), open(path, "rb") as raw:
        start = raw.read(len(SIGNATURE))
    if start != SIGNATURE:
        raise FormatError(f"{path}: not an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise FormatError(f"{path}: a damaged or truncated HDF5 file ({reason})") from error


def _group(path: Path, parent: Any, name: str, what: str) -> Any:
    import h5py

    found = _own(path, parent, name)
    if not isinstance(found, h5py.Group):
        raise FormatError(f"{path}: not {what}: it has no group '{name}'")
    return found


def _own(path: Path, group: Any, name: str) -> Any:
    """The member `name` that is in this very file: links could lead to any file of this machine."""
    import h5py

    link = group.get(name, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise FormatError(f"{path}: {name}: a link, which Caffe's files never have")
    return group.get(name)


def _write_arrays(group: Any, arrays: Arrays) -> None:
    for i, values in enumerate(arrays):
        if values is not None:
            group.create_dataset(str(i), data=np.asarray(values, "<f4"))


def _read_arrays(path: Path, group: Any, where: str) -> list[Array | None]:
    numbers = {name for name in group if name.isascii() and name.isdigit() and len(name) < 7}
    if odd := set(group) - numbers:
        raise FormatError(f"{path}: {where}: '{min(odd)}' is not the number of a parameter")
    arrays: list[Array | None] = [None] * (1 + max(map(int, numbers), default=-1))
    for name in numbers:
        arrays[int(name)] = _values(path, _own(path, group, name), f"{where}/{name}")
    return arrays


def _values(path: Path, dataset: Any, where: str) -> Array:
    """The values of one dataset, after a look at how much memory they would take."""
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu" or dataset.shape is None:
        raise FormatError(f"{path}: {where}: not an array of numbers")
    if dataset.is_virtual or dataset.external:
        raise FormatError(f"{path}: {where}: its values lie in another file")
    stored = dataset.id.get_storage_size()
    limit = stored * (MAX_RATIO if dataset.id.get_create_plist().get_nfilters() else 1)
    if dataset.nbytes > limit:
        shape = "x".join(map(str, dataset.shape))
        raise FormatError(f"{path}: {where}: its shape {shape} takes {dataset.nbytes} bytes, it has {stored}")
    return np.asarray(dataset[()], np.float32)


def _int(path: Path, file: Any, name: str) -> int:
    import h5py

    dataset = _own(path, file, name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "iu" or dataset.size != 1:
        raise FormatError(f"{path}: not a solver state (.solverstate.h5): it has no number '{name}'")
    return int(dataset[()].reshape(()))


def _text(path: Path, file: Any) -> str:
    import h5py

    dataset = _own(path, file, "learned_net")
    fixed = isinstance(dataset, h5py.Dataset) and dataset.dtype.kind == "S" and dataset.size == 1
    if not fixed or dataset.dtype.itemsize > MAX_NAME:
        raise FormatError(f"{path}: learned_net is not the name of a file")
    return bytes(dataset[()]).split(b"\0")[0].decode(errors="surrogateescape")
