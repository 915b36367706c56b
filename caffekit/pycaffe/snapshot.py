"""Snapshots: where they go, writing the model and the solver's state, going on from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from caffekit.errors import DataError, FormatError
from caffekit.formats import caffe_log
from caffekit.formats.caffe_pb2 import SolverParameter, SolverState
from caffekit.formats.weights import (
    blob_array,
    read_solverstate,
    to_blob,
    write_caffemodel,
    write_solverstate,
)
from caffekit.formats.weights_h5 import is_hdf5, write_hdf5
from caffekit.pycaffe.log import log, log_hdf5_class


def default_prefix(param: Any, path: Path) -> None:
    """Where snapshots go when the solver does not say: beside it; or into a folder, under its name."""
    if not param.HasField("snapshot_prefix"):
        param.snapshot_prefix = str(path.with_suffix(""))
        log(*caffe_log.prefix_set(param.snapshot_prefix))
    elif os.path.isdir(param.snapshot_prefix):
        param.snapshot_prefix = os.path.join(param.snapshot_prefix, path.stem)
        log(*caffe_log.prefix_in_folder(param.snapshot_prefix))


def check_writable(param: Any) -> None:
    """RuntimeError now rather than at the first snapshot for a prefix where nothing can be written."""
    if not param.snapshot:
        return
    if not param.HasField("snapshot_prefix"):
        raise ValueError("In solver params, snapshot is specified but snapshot_prefix is not")
    probe = Path(f"{param.snapshot_prefix}_iter_{os.getpid()}.tempfile")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RuntimeError(
            f"Cannot write to snapshot prefix '{param.snapshot_prefix}' ({error.strerror})."
            "  Make sure that the directory exists and is writable."
        ) from error


def write_snapshot(solver: Any) -> None:
    """Write PREFIX_iter_N.caffemodel and .solverstate; with .h5 after them for snapshot_format HDF5."""
    param = solver.param
    suffix = ".h5" if param.snapshot_format == SolverParameter.HDF5 else ""
    prefix = f"{param.snapshot_prefix}_iter_{solver.iter}"
    model, state = f"{prefix}.caffemodel{suffix}", f"{prefix}.solverstate{suffix}"
    log(*caffe_log.snapshotting(model))
    if suffix:
        write_hdf5_net(Path(model), solver.net, param.snapshot_diff)
    else:
        write_caffemodel(Path(model), solver.net.to_proto(param.snapshot_diff))
    log(*caffe_log.snapshotting_state(state))
    proto = SolverState(iter=solver.iter, learned_net=model, current_step=solver.current_step)
    proto.history.extend(to_blob(tensor.cpu().numpy()) for tensor in solver.history)
    write_solverstate(Path(state), proto)


def write_hdf5_net(path: Path, net: Any, diff: bool) -> None:
    """Write a net's parameters as Caffe's HDF5: a shared one with its owner only, its gradient with each."""
    owned = {id(blob) for blob, *_ in net.learnable}
    layers = net.layer_dict.items()
    if len(layers) < len(net.layers):
        names = net._layer_names
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(
            f"{path}: Error saving weights: two layers are called '{twice}', of which HDF5 would lose one",
            "rename one of them, or use snapshot_format: BINARYPROTO",
        )
    data = {name: [b.data if id(b) in owned else None for b in layer.blobs] for name, layer in layers}
    diffs = {name: [blob.diff for blob in layer.blobs] for name, layer in layers}
    write_hdf5(path, data, diffs if diff else None)


def read_snapshot(solver: Any, state_file: str) -> None:
    """Go on from a .solverstate of either format: weights, history, iteration and lr step.

    Nothing is changed when the history is not this solver's: FormatError says how it differs.
    """
    state = read_solverstate(Path(state_file))
    history = _history(solver, state, state_file)
    if state.learned_net:
        try:
            solver.net.copy_from(state.learned_net)
        except DataError as error:
            if isinstance(error, FormatError) or os.path.exists(state.learned_net):
                raise
            raise DataError(
                f"{state_file}: its weights are not there: {state.learned_net}",
                "that path is relative to the working directory: start where the training was started",
            ) from error
    solver.iter, solver.current_step = state.iter, state.current_step
    if is_hdf5(state_file):
        log_hdf5_class()
    else:
        log(*caffe_log.restoring_history())
    for mine, theirs in zip(solver.history, history, strict=True):
        mine.copy_(theirs)


def _history(solver: Any, state: Any, state_file: str) -> list[torch.Tensor]:
    """The history in `state`, each tensor in the shape of the solver's own."""
    if len(state.history) != len(solver.history):
        raise FormatError(
            f"{state_file}: Incorrect length of history blobs: expected {len(solver.history)}, got"
            f" {len(state.history)}",
            "it is of another net or of another solver type",
        )
    tensors = []
    for i, (mine, blob) in enumerate(zip(solver.history, state.history, strict=True)):
        array = blob_array(blob)
        if array.size != mine.numel():
            raise FormatError(
                f"{state_file}: history {i} has the shape {array.shape}, expected {tuple(mine.shape)}",
                "it is of another net",
            )
        tensors.append(torch.from_numpy(array.reshape(tuple(mine.shape))))
    return tensors
