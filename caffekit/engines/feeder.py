"""Feeds one data layer of real Caffe: python -m caffekit.engines.feeder NET LAYER FD BATCHES SEED.

Real Caffe's Python has neither OpenCV nor lmdb, so batches are read, decoded, changed and transformed here,
by the embedded engine's loader, a few ahead, and written to the file descriptor FD as
inside_caffe/augmented_data.py reads them, beginning BATCHES further on, until nobody reads any more. SEED is
the solver's random_seed: crops and mirrors are those of the embedded engine.
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from caffekit.errors import CaffekitError
from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.formats.prototxt import read_net
from caffekit.graph import filter_net
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layers.augmented_data import AugmentedData
from caffekit.pycaffe.mode import set_random_seed

Told = dict[str, object]


def feed(net: Path, name: str, skip: int, seed: int, pipe: BinaryIO) -> None:
    """Write batch after batch of layer `name` to `pipe`; what goes wrong is the last thing written."""
    try:
        for told, tops in batches(net, name, skip, seed):
            _write(pipe, told)
            for top in tops:
                pipe.write(top.data.data)
            pipe.flush()
    except (ValueError, CaffekitError) as error:
        _write(pipe, {"error": str(error)})
        pipe.flush()


def batches(net: Path, name: str, skip: int, seed: int) -> Iterator[tuple[Told, list[Blob]]]:
    """What is said of each batch, and the tops that hold it; ValueError, CaffekitError."""
    if seed >= 0:
        set_random_seed(seed)
    param = next(layer for layer in filter_net(read_net(net), TRAIN).layer if layer.name == name)
    layer = AugmentedData(param, TRAIN)
    layer.setup([])
    layer.skip(skip)
    tops = [Blob(shape) for shape in layer.top_shapes([])[0]]
    while True:
        layer.run_forward([], tops, False)
        yield {"shapes": [list(top.data.shape) for top in tops]}, tops


def _write(pipe: BinaryIO, told: Told) -> None:
    text = json.dumps(told).encode()
    pipe.write(struct.pack("<I", len(text)) + text)


if __name__ == "__main__":
    _net, _name, _fd, _skip, _seed = sys.argv[1:]
    with contextlib.suppress(BrokenPipeError), open(int(_fd), "wb") as _pipe:
        feed(Path(_net), _name, int(_skip), int(_seed), _pipe)
