"""How far a resumed training is in its data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from caffekit.engines import batches_to_skip
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse, read_net
from tests.engines import tiny


@pytest.mark.parametrize(
    ("iteration", "iter_size", "batches"),
    [(0, 1, 0), (7, 1, 7), (19, 1, 19), (20, 1, 0), (33, 1, 13), (7, 3, 1)],
)
def test_batches_modulo_the_cycle(tmp_path: Path, iteration: int, iter_size: int, batches: int) -> None:
    """40 records in batches of 6: record 0 comes first again after 20 batches."""
    net = read_net(tiny.make(tmp_path).with_name("net.prototxt"))
    assert batches_to_skip(net, iteration, iter_size) == ({"data": batches} if batches else {})


IMAGES = 'image_data_param { source: "five" batch_size: 2'
ROWS = 'hdf5_data_param { source: "files" batch_size: 2'
MIRROR = "transform_param { mirror: true }"
LAYERS = [
    ("ImageData", f"{IMAGES} }}", 3, 3, 3),
    ("ImageData", f"{IMAGES} }} {MIRROR}", 3, 3, 8),
    ("ImageData", f"{IMAGES} shuffle: true }}", 0, 3, 8),
    ("ImageData", f"{IMAGES} rand_skip: 3 }}", 0, 3, 8),
    ("HDF5Data", f"{ROWS} }}", 1, 1, 1),
    ("HDF5Data", f"{ROWS} shuffle: true }}", 1, 1, 8),
    ("DummyData", "dummy_data_param { shape { dim: 2 } }", 0, 0, 0),
]
"""(type, settings, batches left out without a seed, with one, with one and where they need not be read)."""


@pytest.mark.parametrize(("kind", "param", "unseeded", "seeded", "exactly"), LAYERS)
def test_other_data_layers(
    kind: str,
    param: str,
    unseeded: int,
    seeded: int,
    exactly: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five images in batches of 2 begin again after 5 batches, 7 rows after 7; 8 iterations are done."""
    monkeypatch.chdir(tmp_path)
    Path("five").write_text("a b.png 1\n" * 5 + "\n")
    Path("files").write_text("0.h5\n1.h5\n")
    for name, rows in (("0.h5", 3), ("1.h5", 4)):
        with h5py.File(name, "w") as file:
            file["x"] = np.zeros((rows, 2))
    net = parse(f'layer {{ name: "d" type: "{kind}" top: "x" top: "y" {param} }}', NetParameter(), "net")
    for batches, options in ((unseeded, (False, False)), (seeded, (True, False)), (exactly, (True, True))):
        assert batches_to_skip(net, 8, 1, *options) == ({"d": batches} if batches else {})
