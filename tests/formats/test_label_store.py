"""Several and float labels: as numbers, beside the images, in both forms, as Caffe's layers read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.errors import DataError
from caffekit.formats.csv_list import read_table
from caffekit.formats.label_store import (
    label_vectors,
    write_hdf5_source,
    write_label_hdf5,
    write_label_lmdb,
)

VECTORS = np.array([[0.5, -2], [1e-3, 7], [3, 4]], np.float32)


def vectors(text: str) -> np.ndarray | None:
    return label_vectors(read_table(Path("a.csv"), text), Path("a.csv"))


def test_columns_become_numbers() -> None:
    found = vectors("path,label_x,who,label_y\na.png,0.5,me,-2\nb.png,1,you,7\n")
    assert found is not None and found.tolist() == [[0.5, -2.0], [1.0, 7.0]]


@pytest.mark.parametrize(("cells", "kind"), [(["1", "2"], None), (["cat", "nan"], None), (["1.5", "2"], 1)])
def test_one_column_of_classes_is_none(cells: list[str], kind: int | None) -> None:
    found = vectors("path,label\n" + "".join(f"{i}.png,{cell}\n" for i, cell in enumerate(cells)))
    assert (found is None) == (kind is None)


@pytest.mark.parametrize("cell", ["cat", "nan", "1e39", "inf"])
def test_what_is_no_finite_number_is_named(cell: str) -> None:
    with pytest.raises(DataError, match=f"a.csv: b.png: label_2 is '{cell}', expected a finite number"):
        vectors(f"path,label_1,label_2\na.png,1,2\nb.png,1,{cell}\n")


NETS = {
    "lmdb": 'type: "Data" data_param { source: "l.lmdb" batch_size: 3 backend: LMDB }',
    "hdf5": 'type: "HDF5Data" hdf5_data_param { source: "l.txt" batch_size: 3 }',
}
READ = """
import sys, caffe, numpy as np
for name in sys.argv[1:]:
    net = caffe.Net(name + ".prototxt", caffe.TEST)
    net.forward()
    np.save(name + ".npy", net.blobs["label"].data.reshape(3, -1))
"""


def write_both(folder: Path) -> None:
    """The labels in both forms, and a net for each that reads them."""
    write_label_lmdb(folder / "l.lmdb", (b"%08d" % i for i in range(3)), VECTORS)
    write_label_hdf5(folder / "l.h5", VECTORS)
    write_hdf5_source(folder / "l.txt", Path("l.h5"))
    for name, layer in NETS.items():
        (folder / f"{name}.prototxt").write_text(f'layer {{ name: "label" top: "label" {layer} }}')


@pytest.mark.parametrize("kind", NETS)
def test_both_forms_are_read_by_caffe_s_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    write_both(tmp_path)
    monkeypatch.chdir(tmp_path)
    net = caffe.Net(f"{kind}.prototxt", caffe.TEST)
    net.forward()
    assert np.array_equal(net.blobs["label"].data.reshape(3, -1), VECTORS)


@pytest.mark.bvlc
def test_both_forms_are_read_by_real_caffe(bvlc: Path, tmp_path: Path) -> None:
    write_both(tmp_path)
    subprocess.run([bvlc, "-c", READ, *NETS], cwd=tmp_path, check=True, capture_output=True)
    assert all(np.array_equal(np.load(tmp_path / f"{kind}.npy"), VECTORS) for kind in NETS)
