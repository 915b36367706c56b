"""Parameters into a net: from files of both formats, from another net."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.formats.weights import blob_array, read_caffemodel
from caffekit.formats.weights_h5 import is_hdf5, read_hdf5
from caffekit.pycaffe.log import log, log_hdf5_class


def copy_from(net: Any, filename: str) -> None:
    """Take the parameters of the layers that have the same names; the content tells the file's format."""
    if is_hdf5(filename):
        copy_from_hdf5(net, filename)
        return
    for source in read_caffemodel(Path(filename), log).layer:
        if (layer := _target(net, source.name, "net.cpp:746")) is not None:
            _copy(layer, source.name, [blob_array(blob) for blob in source.blobs])


def copy_from_hdf5(net: Any, filename: str) -> None:
    """As copy_from; parameters that the file leaves out must be shared ones, which their owners bring."""
    owned = {id(blob) for blob, *_ in net.learnable}
    for name, arrays in read_hdf5(Path(filename)).items():
        if (layer := _target(net, name, "net.cpp:801")) is None:
            continue
        blobs = layer.blobs
        arrays += [None] * (len(blobs) - len(arrays))
        missing = [array is None and id(blob) in owned for array, blob in zip(arrays, blobs, strict=False)]
        if len(arrays) > len(blobs) or any(missing):
            given = sum(array is not None for array in arrays)
            raise ValueError(f"Incompatible number of blobs for layer {name}: {given} for {len(blobs)}")
        if arrays:
            log_hdf5_class()
        _copy(layer, name, arrays)


def share_with(net: Any, other: Any) -> None:
    """Use the parameter values of `other`'s layers of the same names, in the same memory."""
    for name, layer in zip(other._layer_names, other.layers, strict=True):
        if (target := _target(net, name, "net.cpp:678")) is None:
            continue
        blobs = target.blobs
        if len(blobs) != len(layer.blobs):
            raise ValueError(
                f"Incompatible number of blobs for layer {name}: {len(layer.blobs)} for {len(blobs)}"
            )
        for i, (mine, theirs) in enumerate(zip(blobs, layer.blobs, strict=True)):
            if mine.shape != theirs.shape:
                raise ValueError(
                    f"Cannot share param {i} weights from layer '{name}'; shape mismatch. "
                    f" Source param shape is {shape_text(theirs.shape)};"
                    f" target param shape is {shape_text(mine.shape)}"
                )
            mine.share_data(theirs)


def _target(net: Any, name: str, source: str) -> Any:
    """The first layer of this name; None, which the log says, if there is none."""
    if name in net.layer_dict:
        return net.layers[net._layer_names.index(name)]
    log(source, f"Ignoring source layer {name}")
    return None


def _copy(layer: Any, name: str, arrays: Sequence[Any]) -> None:
    """Copy `arrays` (None: leave as it is) into the parameters of `layer`, which is called `name`."""
    blobs = layer.blobs
    if not arrays and blobs:
        return
    if len(arrays) != len(blobs):
        raise ValueError(f"layer '{name}': Incompatible number of blobs: {len(arrays)} for {len(blobs)}")
    for i, (array, blob) in enumerate(zip(arrays, blobs, strict=True)):
        if array is None:
            continue
        if not _same_shape(array.shape, blob.shape):
            raise ValueError(
                f"Cannot copy param {i} weights from layer '{name}'; shape mismatch. "
                f" Source param shape is {shape_text(array.shape)}; target param shape is"
                f" {shape_text(blob.shape)}. To learn this layer's parameters from scratch rather than"
                " copying from a saved net, rename the layer."
            )
        blob.data[...] = array.reshape(blob.shape)


def _same_shape(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Equal, or equal once the leading ones of a legacy 4-D shape are gone."""
    if len(source) == 4 and len(target) < 4:
        lead = 4 - len(target)
        return source[:lead] == (1,) * lead and source[lead:] == target
    return source == target


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as BVLC Caffe writes it: "8 4 (32)"."""
    return f"{''.join(f'{side} ' for side in shape)}({int(np.prod(shape, dtype=np.int64))})"
