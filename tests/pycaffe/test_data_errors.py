"""What data layers refuse, each in one line that says where and what to do."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.datum import encoded_datum, image_datum
from caffekit.formats.images import encode
from caffekit.formats.lmdb_store import write_lmdb

IMAGE = np.random.RandomState(0).randint(0, 256, (6, 8, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with two images and two HDF5 files."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(encode(IMAGE, "png"))
    for name, rows in (("0.h5", 2), ("1.h5", 3)):
        with h5py.File(name, "w") as file:
            file["data"], file["label"] = np.zeros((rows, 4)), np.zeros(rows)
    return tmp_path


def net(kind: str, param: str, tops: int = 2, phase: int = caffe.TRAIN) -> caffe.Net:
    top = " ".join(f'top: "{name}"' for name in ("data", "label", "more")[:tops])
    Path("net").write_text(f'layer {{ name: "d" type: "{kind}" {top} {param} }}')
    return caffe.Net("net", phase)


def forwards(kind: str, param: str, count: int = 3, tops: int = 2) -> None:
    made = net(kind, param, tops)
    for _ in range(count):
        made.forward()


def lmdb(*values: bytes) -> str:
    write_lmdb(Path("db"), [(b"%d" % i, value) for i, value in enumerate(values)])
    return 'data_param { source: "db" batch_size: 2 backend: LMDB }'


GOOD = image_datum(IMAGE, 1).SerializeToString()
PNG = encode(IMAGE, "png")
HUGE = PNG[:16] + (60000).to_bytes(4) * 2 + PNG[24:]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (GOOD[:-5], "datum: not a Caffe Datum; make the LMDB again"),
        (b"", "datum: 0 values, but its shape says 0x0x0; make"),
        (Datum(channels=3, height=6, width=8, data=b"1234").SerializeToString(), "4 values, .*says 3x6x8"),
        (Datum(channels=-1, height=-1, width=4, data=b"1234").SerializeToString(), "4 values, .* -1x-1x4"),
        (encoded_datum(b"", 0).SerializeToString(), "the encoded image cannot be decoded"),
        (encoded_datum(PNG[:40], 0).SerializeToString(), "the encoded image cannot be decoded"),
        (encoded_datum(HUGE, 0).SerializeToString(), "says 60000x60000, more than 100000000 pixels"),
        (image_datum(IMAGE[:4], 0).SerializeToString(), r"gives \(3, 4, 8\), the first image of its batch"),
        (image_datum(IMAGE[:, :, :1], 0).SerializeToString(), r"gives \(1, 6, 8\), the first image"),
    ],
)
def test_a_bad_record_is_named(record: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"layer 'd': db: record 3: .*{message}") as caught:
        forwards("Data", lmdb(GOOD, GOOD, GOOD, record))
    assert "\n" not in str(caught.value)


def test_a_bad_first_record_is_named_when_the_net_is_built() -> None:
    with pytest.raises(ValueError, match="layer 'd': db: record 0: datum: not a Caffe Datum"):
        net("Data", lmdb(b"\xff"))


def test_images_of_sixteen_bits() -> None:
    data = cv2.imencode(".png", IMAGE.astype(np.uint16) * 256)[1].tobytes()
    with pytest.raises(ValueError, match="record 1: datum: .*uint16 pixels; Caffe reads 8 bits"):
        forwards("Data", lmdb(GOOD, encoded_datum(data, 0).SerializeToString()))


@pytest.mark.parametrize(
    ("param", "message"),
    [
        (
            'data_param { source: "db" batch_size: 2 }',
            "layer 'd': backend LEVELDB cannot be read; make an LMDB",
        ),
        ('data_param { source: "db" backend: LMDB }', "layer 'd': Positive batch size required"),
        (
            'data_param { source: "db" batch_size: 1 backend: LMDB prefetch: 0 }',
            "layer 'd': prefetch must be 1",
        ),
        ('data_param { source: "no" batch_size: 1 backend: LMDB }', "no: no LMDB there"),
        (
            'data_param { source: "db" batch_size: 1 backend: LMDB } transform_param { crop_size: 7 }',
            "layer 'd': db: record 0: crop_size 7 is larger than the image",
        ),
        (
            'data_param { source: "db" batch_size: 1 backend: LMDB } transform_param { mean_file: "m" }',
            "m",
        ),
    ],
)
def test_bad_data_params(param: str, message: str) -> None:
    lmdb(GOOD)
    with pytest.raises(Exception, match=message) as caught:
        net("Data", param)
    assert "\n" not in str(caught.value)


def test_an_empty_lmdb() -> None:
    write_lmdb(Path("db"), [])
    with pytest.raises(ValueError, match="layer 'd': db: the database is empty"):
        net("Data", 'data_param { source: "db" batch_size: 1 backend: LMDB }')


@pytest.mark.parametrize(("kind", "tops"), [("Data", 3), ("ImageData", 1), ("WindowData", 3)])
def test_numbers_of_tops(kind: str, tops: int) -> None:
    lmdb(GOOD)
    with pytest.raises(Exception, match=rf"layer 'd'.*top.*{tops}"):
        net(kind, 'data_param { source: "db" batch_size: 1 backend: LMDB }', tops)


def image_data(text: str, more: str = "") -> str:
    Path("list").write_text(text)
    return f'image_data_param {{ source: "list" batch_size: 1 {more} }}'


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("", "", "layer 'd': list: File is empty"),
        ("a.png 1\nb.png one\n", "", "layer 'd': list:2: expected `PATH LABEL`, the label an integer; got"),
        ("a.png 0.5\n", "", "layer 'd': list:1: expected `PATH LABEL`"),
        ("a.png\n", "", "layer 'd': list:1: expected `PATH LABEL`"),
        ("a.png 1\n\nb.png 1\n", "", "layer 'd': list:2: expected `PATH LABEL`.*got ''"),
        ("a.png 1 \n", "", "layer 'd': list:1: expected"),
        ("a.png 1\nc.png 1\n", "", "layer 'd': list:2: Could not load c.png: No such file"),
        ("a.png 1\nlist 1\n", "", "layer 'd': list:2: Could not load list: the encoded image cannot be"),
        ("a.png 1\nc.png 1\n", 'root_folder: "x/"', "layer 'd': list:1: Could not load x/a.png"),
        ("a.png 1\n", "new_height: 3", "layer 'd': Current implementation requires new_height and new_width"),
        ("a.png 1\n", "rand_skip: 900", "layer 'd': Not enough points to skip: [0-9]+ of 1"),
    ],
)
def test_bad_image_lists(text: str, more: str, message: str) -> None:
    caffe.set_random_seed(1)
    with pytest.raises(ValueError, match=message) as caught:
        forwards("ImageData", image_data(text, more))
    assert "\n" not in str(caught.value)


def test_a_missing_image_list() -> None:
    with pytest.raises(ValueError, match="layer 'd': Opening file nowhere: No such file"):
        net("ImageData", 'image_data_param { source: "nowhere" batch_size: 1 }')


def test_lists_with_other_line_ends_and_signs() -> None:
    made = net("ImageData", image_data("a.png 2\r\nb.png -1\r\n\n"))
    assert [made.forward()["label"].item() for _ in range(3)] == [2, -1, 2]


def windows(box: str, param: str = "", transform: str = "crop_size: 4") -> str:
    Path("w").write_text(f"# 0\na.png\n3 6 8\n2\n1 1 {box}\n1 0 {box}\n")
    return (
        f'window_data_param {{ source: "w" batch_size: 2 fg_fraction: 0.5 {param} }}'
        f" transform_param {{ {transform} }}"
    )


@pytest.mark.parametrize(
    ("param", "message"),
    [
        (windows, "w:[56]: window of a.png: .* does not lie in the image of 8x6 pixels"),
        (lambda box: windows("0 0 3 3", transform=""), "needs transform_param { crop_size: … }"),
        (lambda box: windows("0 0 3 3", "context_pad: 2"), "crop_size: … } above 2 · context_pad, got 4"),
        (
            lambda box: windows("0 0 3 3", 'root_folder: "x/" cache_images: true'),
            "Could not open or find file x/a.png: No such file",
        ),
        (lambda box: windows("0 0 3 3", 'root_folder: "x/"'), "w:[56]: .*x/a.png: No such file"),
    ],
)
def test_bad_windows(param: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"layer 'd': .*{message}") as caught:
        forwards("WindowData", param("0 0 8 3"))
    assert "\n" not in str(caught.value)


def hdf5(text: str, more: str = "") -> str:
    Path("h").write_text(text)
    return f'hdf5_data_param {{ source: "h" batch_size: 2 }} {more}'


@pytest.mark.parametrize(
    ("text", "more", "tops", "message"),
    [
        ("", "", 2, "Must have at least 1 HDF5 filename listed in h"),
        ("2.h5", "", 2, "Failed opening HDF5 file: 2.h5 .no such file.; .*relative to the working directory"),
        ("a.png", "", 2, "Failed opening HDF5 file: a.png .damaged, or not HDF5"),
        ("0.h5", "", 3, r"0.h5: Failed to find HDF5 dataset more \(there are: data, label\)"),
        ("0.h5", "transform_param { scale: 1 }", 2, "HDF5Data does not transform data"),
        ("rows.h5", "", 2, "rows.h5: all datasets must have equally many rows.*data has 2, label has 3"),
        ("none.h5", "", 2, "none.h5: all datasets must have equally many rows, at least 1"),
        ("text.h5", "", 2, "text.h5: dataset label: Unsupported datatype class"),
        ("scalar.h5", "", 2, "scalar.h5: dataset data: Input must have at least 1 axis"),
        ("0.h5 wide.h5", "", 2, r"wide.h5: its rows are \[\(5,\), \(\)\], those before \[\(4,\), \(\)\]"),
    ],
)
def test_bad_hdf5(text: str, more: str, tops: int, message: str) -> None:
    contents = {
        "rows": (np.zeros((2, 4)), np.zeros(3)),
        "none": (np.zeros((0, 4)), np.zeros(0)),
        "text": (np.zeros((1, 4)), np.array([b"one"])),
        "scalar": (np.float32(1), np.zeros(1)),
        "wide": (np.zeros((2, 5)), np.zeros(2)),
    }
    for name, (data, label) in contents.items():
        with h5py.File(f"{name}.h5", "w") as file:
            file["data"], file["label"] = data, label
    with pytest.raises(ValueError, match=f"layer 'd': {message}") as caught:
        forwards("HDF5Data", hdf5(text, more), tops=tops)
    assert "\n" not in str(caught.value)


MEMORY = "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 }"


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        (np.zeros((4, 1, 2, 3)), np.zeros(4, "f"), "data array must be float32, got float64"),
        (np.zeros((4, 2, 3), "f"), np.zeros(4, "f"), "data array must be 4-d"),
        (np.zeros((4, 1, 2, 6), "f")[..., ::2], np.zeros(4, "f"), "data array must be C contiguous"),
        (np.zeros((4, 2, 2, 3), "f"), np.zeros(4, "f"), "data array has wrong number of channels"),
        (np.zeros((4, 1, 3, 3), "f"), np.zeros(4, "f"), "data array has wrong height"),
        (np.zeros((4, 1, 2, 2), "f"), np.zeros(4, "f"), "data array has wrong width"),
        (np.zeros((4, 1, 2, 3), "f"), np.zeros(2, "f"), "must have the same first dimension"),
        (np.zeros((3, 1, 2, 3), "f"), np.zeros(3, "f"), "must be a multiple of batch size"),
        (np.zeros((0, 1, 2, 3), "f"), np.zeros(0, "f"), "must be a multiple of batch size"),
    ],
)
def test_arrays_that_do_not_fit(data: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        net("MemoryData", MEMORY).layers[0].reset(data, labels)


def test_memory_data_without_arrays_and_without_sizes() -> None:
    with pytest.raises(
        RuntimeError, match="needs to be initialized by calling Reset: call net.set_input_arr"
    ):
        net("MemoryData", MEMORY).forward()
    with pytest.raises(ValueError, match="must be specified and positive"):
        net("MemoryData", "memory_data_param { batch_size: 2 channels: 1 height: 2 }")


def test_memory_data_refers_to_the_arrays_and_does_not_write_to_them() -> None:
    made = net("MemoryData", MEMORY)
    data, labels = np.ones((4, 1, 2, 3), np.float32), np.arange(4, dtype=np.float32)
    made.set_input_arrays(data, labels)
    made.forward()
    made.blobs["data"].data[...] = 5
    made.forward()
    assert (data == 1).all()
    data[:] = 7
    made.forward()
    assert (made.blobs["data"].data == 7).all()


def test_hdf5_output_holds_one_forward() -> None:
    Path("net").write_text(
        'layer { name: "x" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 2 } } }'
        'layer { name: "o" type: "HDF5Output" bottom: "x" bottom: "y" '
        ' hdf5_output_param { file_name: "o.h5" } }'
    )
    made = caffe.Net("net", caffe.TEST)
    made.forward()
    with pytest.raises(
        RuntimeError, match="layer 'o': o.h5 holds a batch already; HDF5Output writes one forw"
    ):
        made.forward()


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("shape { dim: 1 } num: 1", "Both shape and legacy fields were specified"),
        ("shape { dim: 1 } data_filler { } data_filler { } data_filler { }", "fillers must be 0, 1 or equal"),
        ('shape { dim: 1 } data_filler { type: "foo" }', "Unknown filler name: foo"),
        ("num: 1 channels: 1 height: 1", "num, channels, height and width"),
    ],
)
def test_bad_dummy_data(param: str, message: str) -> None:
    with pytest.raises(Exception, match=f"layer 'd'.*{message}"):
        net("DummyData", f"dummy_data_param {{ {param} }}")
