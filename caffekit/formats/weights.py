"""Weights (.caffemodel) and where training stopped (.solverstate), as Caffe's binary protobufs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, EncodeError

from caffekit.errors import FormatError, os_errors
from caffekit.formats.atomic import write_bytes
from caffekit.formats.blobs import blob_array, blob_diff, blob_fault, to_blob
from caffekit.formats.caffe_pb2 import NetParameter, SolverState
from caffekit.formats.upgrade import silent, upgrade_net
from caffekit.formats.upgrade_v0 import Say
from caffekit.formats.weights_h5 import SIGNATURE, is_hdf5, read_hdf5, read_hdf5_state, write_hdf5_state
from caffekit.formats.wire import has_more_fields

__all__ = [
    "blob_array",
    "blob_diff",
    "non_finite",
    "parse_binary",
    "read_caffemodel",
    "read_solverstate",
    "to_blob",
    "write_caffemodel",
    "write_solverstate",
]

LIMIT = 2**31 - 1
"""Bytes that one protobuf message can have."""

MAX_FIELDS = 200_000
"""The nets with the most layers have some 20,000; this many take 200 MB at most."""

LFS = b"version https://git-lfs"


def read_caffemodel(path: Path, say: Say = silent) -> Any:
    """The NetParameter in a .caffemodel, old forms upgraded, every blob checked against its shape.

    `say` hears what Caffe logs while it upgrades.
    FormatError naming the file (and layer) for anything else; DataError for a file that is not there.
    """
    net = parse_binary(path, NetParameter(), "weights (.caffemodel)")
    if not net.layer and not net.layers:
        raise FormatError(f"{path}: not weights (.caffemodel): it has no layers")
    net = upgrade_net(net, str(path), say)
    _check(path, _blobs(net))
    return net


def write_caffemodel(path: Path, net: Any) -> None:
    """Write `net`, atomically."""
    _write(path, net)


def read_solverstate(path: Path) -> Any:
    """The SolverState in a .solverstate of either format; errors as read_caffemodel."""
    if is_hdf5(path):
        return read_hdf5_state(Path(path))
    state = parse_binary(path, SolverState(), "a solver state (.solverstate)")
    if not state.HasField("iter"):
        raise FormatError(f"{path}: not a solver state (.solverstate): it has no iteration")
    _check(path, _history(state))
    return state


def write_solverstate(path: Path, state: Any) -> None:
    """Write `state`, atomically; as HDF5 where the name ends in .h5."""
    if Path(path).suffix == ".h5":
        write_hdf5_state(Path(path), state)
    else:
        _write(path, state)


def non_finite(path: Path) -> list[str]:
    """The blobs with a nan or infinity: "LAYER/INDEX" of a .caffemodel, "history N" of a .solverstate."""
    if Path(path).name.endswith((".solverstate", ".solverstate.h5")):
        blobs = _history(read_solverstate(path))
    elif is_hdf5(path):
        layers = read_hdf5(Path(path)).items()
        arrays = ((f"{name}/{i}", array) for name, values in layers for i, array in enumerate(values))
        return [name for name, array in arrays if array is not None and not np.isfinite(array).all()]
    else:
        blobs = _blobs(read_caffemodel(path))
    return [name for name, blob in blobs if not np.isfinite(blob_array(blob)).all()]


def parse_binary(path: Path, message: Any, what: str) -> Any:
    """`message`, read from `path`; FormatError "not WHAT" naming the file if it cannot be."""
    with os_errors("reading", path):
        size = Path(path).stat().st_size
        if size > LIMIT:
            raise FormatError(f"{path}: {size} bytes; Caffe's files have at most {LIMIT}")
        data = Path(path).read_bytes()
    if data.startswith(SIGNATURE):
        raise FormatError(f"{path}: an HDF5 file, not {what}")
    if data.startswith(LFS):
        raise FormatError(f"{path}: a Git LFS pointer, not the file itself", "fetch it with `git lfs pull`")
    if not data:
        raise FormatError(f"{path}: the file is empty, not {what}")
    if has_more_fields(data, message.DESCRIPTOR, MAX_FIELDS):
        raise FormatError(f"{path}: not {what}: it has more than {MAX_FIELDS} fields")
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise FormatError(f"{path}: not {what}, or cut off ({size} bytes)") from error
    return message


def _blobs(net: Any) -> Iterator[tuple[str, Any]]:
    return ((f"{layer.name}/{i}", blob) for layer in net.layer for i, blob in enumerate(layer.blobs))


def _history(state: Any) -> Iterator[tuple[str, Any]]:
    return ((f"history {i}", blob) for i, blob in enumerate(state.history))


def _check(path: Path, blobs: Iterator[tuple[str, Any]]) -> None:
    for name, blob in blobs:
        if fault := blob_fault(blob):
            raise FormatError(f"{path}: {name}: {fault}")


def _write(path: Path, message: Any) -> None:
    try:
        data = message.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise FormatError(f"{path}: too large for one protobuf file ({LIMIT} bytes at most)") from error
    write_bytes(Path(path), data)
