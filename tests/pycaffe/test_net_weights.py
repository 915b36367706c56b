"""Parameters into a net: HDF5 in both directions with real Caffe, shared ones, and what does not fit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.errors import DataError, FormatError

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { value: 1 } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { value: 2 } } }
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return str(path)


def _values(net: caffe.Net) -> list[np.ndarray]:
    return [np.array(blob.data) for blobs in net.params.values() for blob in blobs]


def _same(one: caffe.Net, other: caffe.Net) -> None:
    for mine, theirs in zip(_values(one), _values(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_hdf5_holds_a_shared_parameter_once(model: str, tmp_path: Path) -> None:
    net = caffe.Net(model, caffe.TEST)
    net.save_hdf5(str(tmp_path / "a.h5"))
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file) == ["data"]
        assert {name: list(group) for name, group in file["data"].items()} == {
            "data": [],
            "a": ["0", "1"],
            "b": ["1"],
        }
    again = caffe.Net(model, caffe.TEST)
    again.load_hdf5(str(tmp_path / "a.h5"))
    _same(net, again)
    assert again.params["b"][0].data[0, 0] == again.params["a"][0].data[0, 0]


def test_the_content_tells_the_format(model: str, tmp_path: Path) -> None:
    net = caffe.Net(model, caffe.TEST)
    net.save_hdf5(str(tmp_path / "a.caffemodel"))  # whatever its name
    _same(net, caffe.Net(model, caffe.TEST, weights=str(tmp_path / "a.caffemodel")))
    with pytest.raises(FormatError, match="not an HDF5 file"):
        net.load_hdf5(model)


@pytest.mark.bvlc
def test_hdf5_goes_to_real_caffe_and_back(model: str, tmp_path: Path, bvlc: Path) -> None:
    ours, theirs = tmp_path / "ours.h5", tmp_path / "theirs.h5"
    net = caffe.Net(model, caffe.TEST)
    net.save_hdf5(str(ours))
    code = f"""
import caffe
net = caffe.Net({model!r}, caffe.TEST, weights={str(ours)!r})
for blobs in net.params.values():
    for blob in blobs:
        blob.data[...] = 2 * blob.data
net.save_hdf5({str(theirs)!r})
"""
    subprocess.run([bvlc, "-c", code], check=True, capture_output=True)
    before = _values(net)
    net.copy_from(str(theirs))
    # The shared one is doubled for each layer that has it.
    for factor, old, new in zip((4, 2, 4, 2), before, _values(net), strict=True):
        np.testing.assert_allclose(new, factor * old, rtol=1e-6)


def test_a_layer_that_hdf5_cannot_name_is_named(model: str, tmp_path: Path) -> None:
    path = Path(model)
    path.write_text(NET.replace('name: "b"', 'name: "inception/b"'))
    with pytest.raises(FormatError, match="HDF5 has no place for a layer named 'inception/b'"):
        caffe.Net(model, caffe.TEST).save_hdf5(str(tmp_path / "a.h5"))


def _h5(path: Path, layers: dict[str, list[np.ndarray | None]]) -> str:
    with h5py.File(path, "w") as file:
        for name, arrays in layers.items():
            group = file.create_group(f"data/{name}")
            for i, array in enumerate(arrays):
                if array is not None:
                    group[str(i)] = array.astype("f4")
    return str(path)


def test_layers_that_are_not_there_are_ignored(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    net = caffe.Net(model, caffe.TEST)
    net.copy_from(_h5(tmp_path / "a.h5", {"other": [np.ones(3)], "b": [None, np.full(4, 9.0)]}))
    assert "Ignoring source layer other" in capsys.readouterr().err
    assert (net.params["b"][1].data == 9).all()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"a": [np.ones((4, 4))]}, "Incompatible number of blobs for layer a: 1 for 2"),
        (
            {"a": [np.ones((4, 4)), np.ones(4), np.ones(4)]},
            "Incompatible number of blobs for layer a: 3 for 2",
        ),
        (
            {"a": [np.ones((4, 5)), np.ones(4)]},
            r"Cannot copy param 0 weights from layer 'a'; shape mismatch.  Source param shape is 4 5 \(20\);"
            r" target param shape is 4 4 \(16\)",
        ),
    ],
)
def test_parameters_that_do_not_fit(
    model: str, tmp_path: Path, layers: dict[str, list[np.ndarray | None]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        caffe.Net(model, caffe.TEST).copy_from(_h5(tmp_path / "a.h5", layers))


def test_a_missing_file_is_named(model: str) -> None:
    with pytest.raises(RuntimeError, match="Could not open file nothing.h5"):
        caffe.Net(model, caffe.TEST, weights="nothing.h5")
    with pytest.raises(DataError, match="nothing.caffemodel"):
        caffe.Net(model, caffe.TEST).copy_from("nothing.caffemodel")


def test_share_with_shares_values_not_gradients(model: str) -> None:
    one, other = caffe.Net(model, caffe.TEST), caffe.Net(model, caffe.TEST)
    other.share_with(one)
    one.params["a"][1].data[...] = 5
    one.params["a"][1].diff[...] = 6
    assert (other.params["a"][1].data == 5).all()
    assert (other.params["a"][1].diff == 0).all()


def test_what_cannot_be_shared(model: str, tmp_path: Path) -> None:
    net = caffe.Net(model, caffe.TEST)
    other = tmp_path / "other.prototxt"
    other.write_text(
        NET.replace(
            'num_output: 4 weight_filler { type: "xavier" } bias_filler { value: 2 }',
            "num_output: 4 bias_term: false",
        )
    )
    with pytest.raises(ValueError, match="Incompatible number of blobs for layer b: 2 for 1"):
        caffe.Net(str(other), caffe.TEST).share_with(net)
    other.write_text(
        NET.replace("dim: 4", "dim: 5").replace(
            'bottom: "a" top: "b" param { name: "w" }', 'bottom: "a" top: "b"'
        )
    )
    with pytest.raises(
        ValueError, match=r"Cannot share param 0 weights from layer 'a'; shape mismatch.*4 5 \(20\)"
    ):
        caffe.Net(str(other), caffe.TEST).share_with(net)


def test_layers_of_one_name(model: str, tmp_path: Path) -> None:
    """Caffe lets them be: the first one takes what is read; HDF5 has no place for the second."""
    Path(model).write_text(NET.replace('name: "b"', 'name: "a"').replace('param { name: "w" }', ""))
    net = caffe.Net(model, caffe.TEST)
    first, second = net.layers[1].blobs[1], net.layers[2].blobs[1]
    net.copy_from(_h5(tmp_path / "a.h5", {"a": [np.ones((4, 4)), np.full(4, 9.0)]}))
    assert (first.data == 9).all()
    assert (second.data == 2).all()
    with pytest.raises(FormatError, match="two layers are called 'a', of which HDF5 would lose one"):
        net.save_hdf5(str(tmp_path / "b.h5"))
