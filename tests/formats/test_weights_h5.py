"""HDF5 weights and solver states: Caffe's layout, real Caffe reads them, damage is one line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.caffe_pb2 import SolverState
from caffekit.formats.weights import non_finite, read_solverstate, to_blob, write_solverstate
from caffekit.formats.weights_h5 import is_hdf5, read_hdf5, write_hdf5

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7
LAYERS: dict[str, list[Any]] = {"data": [], "ip1": [VALUES, VALUES[0, 0]], "ip2": [None, np.float32(3)]}


def test_weights_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.caffemodel.h5"
    write_hdf5(path, LAYERS, {"ip1": [VALUES * 2]})
    got = read_hdf5(path)
    assert list(got) == ["data", "ip1", "ip2"]
    np.testing.assert_array_equal(got["ip1"][0], VALUES)
    assert got["ip2"][0] is None
    assert got["ip2"][1] is not None and got["ip2"][1].shape == ()
    with h5py.File(path) as file:
        assert file["data/ip1/0"].dtype == np.dtype("<f4")
        np.testing.assert_array_equal(file["diff/ip1/0"][()], VALUES * 2)
    assert is_hdf5(path) and not is_hdf5(tmp_path / "no")


def test_a_solver_state_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.solverstate.h5"
    state = SolverState(iter=7, current_step=2, learned_net="s/ä.h5", history=[to_blob(VALUES)] * 11)
    write_solverstate(path, state)
    assert is_hdf5(path)
    assert read_solverstate(path) == state
    with h5py.File(path) as file:
        assert file["iter"].shape == (1,) and file["iter"].dtype == np.int32
        assert file["learned_net"].id.get_type().get_strpad() == h5py.h5t.STR_NULLTERM


def test_what_real_caffe_wrote(shared: Path) -> None:
    folder = shared / "tools/golden/logs/snap/train_iter_size_h5"
    weights = read_hdf5(folder / "run_iter_10.caffemodel.h5")
    assert [None if a is None else a.shape for a in weights["ip1"]] == [(8, 4), (8,)]
    state = read_solverstate(folder / "run_iter_10.solverstate.h5")
    assert (state.iter, len(state.history)) == (10, 8)
    assert state.learned_net == "snap/run_iter_10.caffemodel.h5"


@pytest.mark.parametrize("name", ["conv1/3x3", "", "."])
def test_names_that_hdf5_takes_for_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match=f"Error saving weights: .*'{name}'") as caught:
        write_hdf5(tmp_path / "a.h5", {name: []})
    assert "BINARYPROTO" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_non_finite_names_the_arrays(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "a.caffemodel.h5", {"a": [VALUES, np.array([np.inf])], "b": [None]})
    assert non_finite(tmp_path / "a.caffemodel.h5") == ["a/1"]
    state = SolverState(iter=1, history=[to_blob(np.array([np.nan]))])
    write_solverstate(tmp_path / "a.solverstate.h5", state)
    assert non_finite(tmp_path / "a.solverstate.h5") == ["history 0"]


def hostile(path: Path, kind: str) -> None:
    """An HDF5 file with one thing wrong."""
    with h5py.File(path, "w") as file:
        layer = file.create_group("data/ip1")
        if kind == "sparse":
            layer.create_dataset("0", shape=(2**40,), dtype="<f4", chunks=(1024,))
        elif kind == "bomb":
            layer.create_dataset("0", data=np.zeros(2**22, np.float32), compression="gzip")
        elif kind == "text":
            layer["0"] = "words"
        elif kind == "external":
            layer["0"] = h5py.ExternalLink("/etc/hostname", "/data")
        elif kind == "soft":
            layer["0"] = h5py.SoftLink("/data/ip1")
        elif kind == "name":
            layer["weights"] = VALUES
        elif kind == "group":
            layer.create_group("0")
        elif kind == "layer":
            file["data/ip2"] = VALUES


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("sparse", "data/ip1/0: its shape 1099511627776 takes 4398046511104 bytes, it has 0"),
        ("bomb", "data/ip1/0: its shape 4194304 takes 16777216 bytes"),
        ("text", "data/ip1/0: not an array of numbers"),
        ("external", "0: a link"),
        ("soft", "0: a link"),
        ("name", "data/ip1: 'weights' is not the number of a parameter"),
        ("group", "data/ip1/0: not an array of numbers"),
        ("layer", "it has no group 'ip2'"),
    ],
)
def test_hostile_files_are_one_line(tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / "a.h5"
    hostile(path, kind)
    with pytest.raises(FormatError, match=message) as caught:
        read_hdf5(path)
    assert str(path) in caught.value.message and "\n" not in caught.value.message


def test_damaged_files_never_crash(tmp_path: Path) -> None:
    """Every truncation and many flipped bytes: the arrays or a FormatError, nothing else."""
    write_hdf5(tmp_path / "a.h5", {"ip1": [VALUES, VALUES]})
    whole = (tmp_path / "a.h5").read_bytes()
    random, refused = np.random.RandomState(0), 0
    for trial in range(300):
        data = bytearray(whole)
        if trial % 2:
            data = data[: random.randint(len(data))]
        else:
            for at in random.randint(0, len(data), 4):
                data[at] = random.randint(256)
        (tmp_path / "b.h5").write_bytes(data)
        try:
            read_hdf5(tmp_path / "b.h5")
        except FormatError:
            refused += 1
    assert refused > 100


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.h5"):
        read_hdf5(tmp_path / "no.h5")
    (tmp_path / "a.h5").write_bytes(b"text")
    with pytest.raises(FormatError, match="not an HDF5 file"):
        read_hdf5(tmp_path / "a.h5")
    write_hdf5(tmp_path / "w.h5", {"ip1": []})
    with pytest.raises(FormatError, match="not a solver state"):
        read_solverstate(tmp_path / "w.h5")
    write_solverstate(tmp_path / "s.h5", SolverState(iter=1))
    with pytest.raises(FormatError, match="not weights"):
        read_hdf5(tmp_path / "s.h5")


BUILD = """
import sys, caffe
net = caffe.Net(sys.argv[1], sys.argv[2], caffe.TEST)
print(net.params['ip1'][0].data.tobytes().hex())
net.save_hdf5(sys.argv[3])
"""


@pytest.mark.bvlc
def test_real_caffe_reads_what_we_write_and_we_what_it_writes(bvlc: Path, tmp_path: Path) -> None:
    text = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 4 } } }\n'
    text += 'layer { name: "ip1" type: "InnerProduct" bottom: "d" top: "p"'
    text += " inner_product_param { num_output: 3 bias_term: false } }"
    (tmp_path / "n.prototxt").write_text(text)
    weights = np.random.RandomState(0).randn(3, 4).astype(np.float32)
    write_hdf5(tmp_path / "a.caffemodel.h5", {"d": [], "ip1": [weights]})
    files = [tmp_path / name for name in ("n.prototxt", "a.caffemodel.h5", "b.h5")]
    run = subprocess.run([bvlc, "-c", BUILD, *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == weights.tobytes().hex()
    np.testing.assert_array_equal(read_hdf5(files[2])["ip1"][0], weights)
