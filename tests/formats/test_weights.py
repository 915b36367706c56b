"""Weights and solver states: read and written as Caffe's, refused in one line when not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from caffekit.errors import CaffekitError, DataError, FormatError
from caffekit.formats.caffe_pb2 import BlobProto, LayerParameter, NetParameter, SolverState
from caffekit.formats.weights import (
    blob_array,
    blob_diff,
    non_finite,
    read_caffemodel,
    read_solverstate,
    to_blob,
    write_caffemodel,
    write_solverstate,
)
from caffekit.formats.wire import varint

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7


def net(*arrays: np.ndarray) -> NetParameter:
    return NetParameter(name="n", layer=[LayerParameter(name="ip1", blobs=[to_blob(a) for a in arrays])])


ARRAYS = [VALUES, VALUES[0, 0, 0], np.zeros((0, 3)), VALUES.T, VALUES.astype(np.float64)]


@pytest.mark.parametrize("array", ARRAYS)
def test_blobs_hold_arrays(array: np.ndarray) -> None:
    blob = to_blob(array, -array)
    assert tuple(blob.shape.dim) == np.shape(array)
    assert list(blob.data) == np.ravel(array).astype(np.float32).tolist()
    np.testing.assert_array_equal(blob_array(blob), array.astype(np.float32))
    np.testing.assert_array_equal(blob_diff(blob), -array.astype(np.float32))
    assert blob_array(blob).flags.writeable


def test_nan_payloads_and_signed_zeros_survive() -> None:
    array = np.array([0x7FC00001, 0x80000000, 0x7F800000, 0xFF800000], np.uint32).view(np.float32)
    assert blob_array(to_blob(array)).tobytes() == array.tobytes()


def test_legacy_shapes_and_doubles() -> None:
    blob = BlobProto(num=1, channels=2, width=3, height=1, double_data=[1, 2, 3, 4, 5, 6])
    assert blob_array(blob).tolist() == [[[[1, 2, 3]], [[4, 5, 6]]]]
    assert blob_array(blob).dtype == np.float32
    assert not blob_diff(blob).any()
    blob.shape.dim.append(6)  # Caffe looks at the legacy sizes first
    assert blob_array(blob).shape == (1, 2, 1, 3)


def test_floats_that_are_not_packed_are_read() -> None:
    one = b"\x2d" + np.float32(1.5).tobytes()  # field 5, four bytes, as files of 2013 may have it
    blob = BlobProto.FromString(one + one)
    blob.shape.dim.append(2)
    assert blob_array(blob).tolist() == [1.5, 1.5]


def test_a_blob_that_does_not_fill_its_shape_is_an_error() -> None:
    blob = to_blob(VALUES)
    blob.shape.dim[0] = 2**40
    with pytest.raises(FormatError, match="1099511627776x3x4 takes 13194139533312 values, but it holds 24"):
        blob_array(blob)
    blob.shape.dim[0] = -2
    with pytest.raises(FormatError, match="its shape is -2x3x4"):
        blob_array(blob)


def test_weights_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.caffemodel"
    write_caffemodel(path, net(VALUES))
    np.testing.assert_array_equal(blob_array(read_caffemodel(path).layer[0].blobs[0]), VALUES)
    assert [p.name for p in path.parent.iterdir()] == ["a.caffemodel"]


def test_weights_of_2014_are_read(tmp_path: Path) -> None:
    old = NetParameter(layers=[{"name": "ip1", "type": "INNER_PRODUCT", "blobs": [to_blob(VALUES)]}])
    write_caffemodel(tmp_path / "a.caffemodel", old)
    layer = read_caffemodel(tmp_path / "a.caffemodel").layer[0]
    assert (layer.name, layer.type) == ("ip1", "InnerProduct")
    np.testing.assert_array_equal(blob_array(layer.blobs[0]), VALUES)


def test_solver_states_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a.solverstate"
    write_solverstate(path, SolverState(iter=0, learned_net="x", history=[to_blob(VALUES)]))
    assert read_solverstate(path).iter == 0


def test_non_finite_names_the_blobs(tmp_path: Path) -> None:
    model, state = tmp_path / "a.caffemodel", tmp_path / "a.solverstate"
    write_caffemodel(model, net(VALUES, np.array([1, np.inf]), np.array(np.nan)))
    write_solverstate(state, SolverState(iter=3, history=[to_blob(VALUES), to_blob(np.array([np.nan]))]))
    assert non_finite(model) == ["ip1/1", "ip1/2"]
    assert non_finite(state) == ["history 1"]
    write_caffemodel(model, net(VALUES))
    assert non_finite(model) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\x89HDF\r\n\x1a\n....", "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\noid ...", "a Git LFS pointer"),
        (b'name: "LeNet"\nlayer {\n}\n', r"not weights \(.caffemodel\)"),
        (b"<html><body>404</body></html>", r"not weights \(.caffemodel\)"),
        (net(VALUES).SerializeToString()[:-20], "or cut off"),
        (NetParameter(name="a").SerializeToString(), "it has no layers"),
        (NetParameter(layers=[{"layer": {"type": "x"}}]).SerializeToString(), "Unknown layer name: x"),
        (SolverState(iter=1, history=[to_blob(VALUES)]).SerializeToString(), r"not weights"),
    ],
)
def test_what_is_no_caffemodel_is_said_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        read_caffemodel(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_damaged_layer_is_named(tmp_path: Path) -> None:
    broken = net(VALUES, VALUES)
    broken.layer[0].blobs[1].shape.dim[0] = 5
    write_caffemodel(tmp_path / "a.caffemodel", broken)
    with pytest.raises(FormatError, match=r"a.caffemodel: ip1/1: its shape 5x3x4 takes 60 values"):
        read_caffemodel(tmp_path / "a.caffemodel")


def test_weights_are_no_solver_state(tmp_path: Path) -> None:
    write_caffemodel(tmp_path / "a.solverstate", net(VALUES))
    with pytest.raises(FormatError, match="not a solver state"):
        read_solverstate(tmp_path / "a.solverstate")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.caffemodel"):
        read_caffemodel(tmp_path / "no.caffemodel")
    with pytest.raises(CaffekitError):
        read_caffemodel(tmp_path)


BUILD = """
import sys, numpy as np, caffe
net = caffe.Net(sys.argv[1], sys.argv[2], caffe.TEST)
print(net.params['ip1'][0].data.tobytes().hex())
net.save(sys.argv[3])
"""


@pytest.mark.bvlc
def test_real_caffe_reads_what_we_write_and_we_what_it_writes(bvlc: Path, tmp_path: Path) -> None:
    text = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 4 } } }\n'
    text += 'layer { name: "ip1" type: "InnerProduct" bottom: "d" top: "p"'
    text += " inner_product_param { num_output: 3 bias_term: false } }"
    (tmp_path / "n.prototxt").write_text(text)
    weights = np.random.RandomState(0).randn(3, 4).astype(np.float32)
    write_caffemodel(tmp_path / "a.caffemodel", net(weights))
    files = [tmp_path / name for name in ("n.prototxt", "a.caffemodel", "b.caffemodel")]
    run = subprocess.run([bvlc, "-c", BUILD, *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == weights.tobytes().hex()
    np.testing.assert_array_equal(blob_array(read_caffemodel(files[2]).layer[-1].blobs[0]), weights)


def test_published_weights_are_read(shared: Path) -> None:
    found = sorted((shared / "data" / "caffemodels" / "dev").rglob("*.caffemodel"))
    assert len(found) >= 5
    for path in found:
        assert non_finite(path) == [], path
    for path in (shared / "data").rglob("dev/**/*.solverstate"):
        assert non_finite(path) == [], path


def test_reading_needs_no_torch() -> None:
    code = "import sys, caffekit.formats.weights; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    "content",
    [
        field(100, b"") * 200_001,
        field(2, b"") * 200_001,
        field(100, field(6, b"") * 200_001),
        field(100, field(7, b"") * 200_001),
        field(2, field(1, field(50, b"")) * 100_001),
        b"\x98\x06\x01" * 200_001,
    ],
    ids=["layers", "old layers", "specs", "blobs", "oldest blobs", "unknown numbers"],
)
def test_files_of_countless_fields_are_not_parsed(tmp_path: Path, content: bytes) -> None:
    """Each takes a few bytes on disk and hundreds in memory."""
    (tmp_path / "a.caffemodel").write_bytes(content)
    with pytest.raises(FormatError, match="it has more than 200000 fields"):
        read_caffemodel(tmp_path / "a.caffemodel")


def test_many_values_are_no_fields(tmp_path: Path) -> None:
    """Floats that are not packed, as files of 2013 may have them, count as what they are."""
    one = b"\x2d" + np.float32(1.5).tobytes()
    blob = BlobProto.FromString(one * 300_000)
    blob.shape.dim.append(300_000)
    layer = LayerParameter(name="a").SerializeToString() + field(7, blob.SerializeToString())
    (tmp_path / "a.caffemodel").write_bytes(field(100, layer))
    assert blob_array(read_caffemodel(tmp_path / "a.caffemodel").layer[0].blobs[0]).shape == (300_000,)


def test_damage_never_crashes(tmp_path: Path) -> None:
    """Truncated, flipped and random bytes: a net or a FormatError, and no memory to speak of."""
    whole = net(VALUES, VALUES[0]).SerializeToString()
    random, refused = np.random.RandomState(0), 0
    for trial in range(600):
        data = bytearray(whole if trial % 3 else random.bytes(200))
        if trial % 3 == 1:
            data = data[: random.randint(len(data))]
        for at in random.randint(0, len(data), 3) if trial % 3 == 2 else ():
            data[at] = random.randint(256)
        (tmp_path / "a.caffemodel").write_bytes(data)
        try:
            read_caffemodel(tmp_path / "a.caffemodel")
        except FormatError as error:
            refused += 1
            assert "\n" not in error.message
    assert refused > 200


@pytest.mark.parametrize("size", [2**31 - 1, 2**40, 2**63 - 1])
def test_lengths_that_no_file_has(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.caffemodel").write_bytes(varint(100 << 3 | 2) + varint(size) + b"\0" * 10)
    with pytest.raises(FormatError, match="or cut off"):
        read_caffemodel(tmp_path / "a.caffemodel")
