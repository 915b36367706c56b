"""Every layer type that reads data against what real BVLC Caffe read, and what such layers refuse."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.pycaffe import mode, shuffles

from .data_case import run_case
from .data_inputs import make_inputs

CASES = sorted((Path(__file__).parent.parent / "cases" / "data").glob("*.prototxt"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder)
    return folder


@pytest.fixture
def inputs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with all inputs in it, and libc's random numbers as in a new process."""
    monkeypatch.chdir(made)
    monkeypatch.setattr(shuffles, "libc_rand", shuffles.LibcRand(1))
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_equals_bvlc(case: Path, inputs: Path) -> None:
    """The same images at the same places in the same order, to the last bit."""
    got = run_case(caffe, str(case))
    with np.load(case.with_suffix(".npz")) as wanted:
        assert set(got) == set(wanted)
        for name in wanted:
            exact = name.split()[-1] != "ip"
            np.testing.assert_allclose(got[name], wanted[name], 0 if exact else 1e-4, err_msg=name)


@pytest.mark.bvlc
def test_the_records_are_real(bvlc: Path, inputs: Path, tmp_path: Path) -> None:
    """Real Caffe, run now, gives what is stored."""
    copies = [tmp_path / case.name for case in CASES]
    for case, copy in zip(CASES, copies, strict=True):
        copy.write_bytes(case.read_bytes())
    script = Path(__file__).parent / "data_case.py"
    subprocess.run([bvlc, script, *copies], check=True, capture_output=True)
    for case, copy in zip(CASES, copies, strict=True):
        with np.load(case.with_suffix(".npz")) as stored, np.load(copy.with_suffix(".npz")) as fresh:
            for name in stored:
                np.testing.assert_array_equal(fresh[name], stored[name], err_msg=f"{case.stem}: {name}")


def net(inputs: Path, layers: str, phase: int = caffe.TEST) -> caffe.Net:
    path = inputs / "net.prototxt"
    path.write_text(layers)
    return caffe.Net(str(path), phase)


def test_a_label_outside_the_classes_is_named_with_its_record(inputs: Path) -> None:
    layers = """
        layer { name: "d" type: "Data" top: "data" top: "label"
          data_param { source: "raw" batch_size: 7 backend: LMDB } }
        layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
          inner_product_param { num_output: 5 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }
        layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }"""
    where = r"layer 'loss': label 5 \(item 5 of the batch, raw: record 00000005\) is outside 0 … 4"
    with pytest.raises(ValueError, match=where):
        net(inputs, layers).forward()


STREAMS = {
    "Data": 'data_param { source: "raw" batch_size: 3 backend: LMDB } transform_param { mirror: true }',
    "ImageData": 'image_data_param { source: "any.txt" batch_size: 3 shuffle: true }'
    " transform_param { crop_size: 5 mirror: true }",
    "HDF5Data": 'hdf5_data_param { source: "three.txt" batch_size: 3 shuffle: true }',
    "WindowData": 'window_data_param { source: "windows.txt" batch_size: 3 }'
    " transform_param { crop_size: 5 mirror: true }",
}


def stream(inputs: Path, kind: str, phase: int = caffe.TRAIN) -> caffe.Net:
    """A net of one data layer, seeded and in a process where nobody has drawn random numbers."""
    caffe.set_random_seed(3)
    shuffles.libc_rand = shuffles.LibcRand(1)
    return net(
        inputs, f'layer {{ name: "d" type: "{kind}" top: "data" top: "label" {STREAMS[kind]} }}', phase
    )


def batches(of: caffe.Net, count: int) -> list[np.ndarray]:
    return [np.concatenate([blob.ravel() for blob in of.forward().values()]) for _ in range(count)]


@pytest.mark.parametrize("kind", STREAMS)
def test_skip_goes_on_as_if_the_batches_had_been_read(kind: str, inputs: Path) -> None:
    """Order, crops and mirrors are those of a run that was never interrupted."""
    skipped = stream(inputs, kind)
    skipped.layers[0].skip(7)
    np.testing.assert_array_equal(batches(skipped, 6), batches(stream(inputs, kind), 13)[7:])


@pytest.mark.parametrize("kind", ["Data", "ImageData", "WindowData"])
def test_the_number_of_threads_changes_nothing(
    kind: str, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, five = (
        monkeypatch.setattr("caffekit.pycaffe.batches.decoders", lambda n=n: n)
        or batches(stream(inputs, kind), 8)
        for n in (1, 5)
    )
    np.testing.assert_array_equal(one, five)


@pytest.fixture
def ranks() -> Iterator[Callable[[int, int], None]]:
    """Sets the number of solvers and which of them this process is; one again afterwards."""

    def set_rank(rank: int, count: int) -> None:
        mode.set_solver_rank(0)
        mode.set_solver_count(count)
        mode.set_solver_rank(rank)

    yield set_rank
    set_rank(0, 1)


@pytest.mark.parametrize(("kind", "records"), [("Data", 7), ("HDF5Data", 12)])
def test_solvers_share_the_records(
    kind: str, records: int, inputs: Path, ranks: Callable[[int, int], None]
) -> None:
    """Record i goes to solver i % count, counting on from round to round; in TEST each sees all."""
    param = STREAMS[kind].replace("shuffle: true", "")
    layer = f'layer {{ name: "d" type: "{kind}" top: "data" top: "label" {param} }}'
    order = labels(net(inputs, layer), 10)
    for rank in range(4):
        ranks(rank, 4)
        shared = net(inputs, layer, caffe.TRAIN)
        whole = np.tile(order[:records], 20)
        np.testing.assert_array_equal(labels(shared, 10), whole[rank::4][:30])
        resumed = net(inputs, layer, caffe.TRAIN)
        resumed.layers[0].skip(4)
        np.testing.assert_array_equal(labels(resumed, 6), whole[rank::4][12:30])
        np.testing.assert_array_equal(labels(net(inputs, layer), 10), order)


def labels(of: caffe.Net, count: int) -> np.ndarray:
    return np.concatenate([of.forward()["label"].copy() for _ in range(count)])


LOGGED = re.compile(
    r"((?:image_data|window_data|hdf5_data|data)_layer\.cpp|data_transformer\.cpp|db_lmdb\.cpp)(:\d+\] .*)"
)


@pytest.mark.bvlc
@pytest.mark.parametrize(
    "stem",
    [
        "image_data_shuffle_skip_crop_mirror",
        "data_jpeg_crop_mirror_mean",
        "hdf5_data_shuffle_files",
        "window_data_square_mean",
    ],
)
def test_logs_what_real_caffe_logs(
    stem: str, bvlc: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Line for line, in order, but for the lines of the prefetching thread, which come at any time."""
    monkeypatch.setenv("GLOG_minloglevel", "0")
    case = next(case for case in CASES if case.stem == stem)
    code = f"import caffe; caffe.set_random_seed(4); caffe.Net({str(case)!r}, caffe.TRAIN)"
    real = subprocess.run([bvlc, "-c", code], check=True, capture_output=True, text=True).stderr
    caffe.set_random_seed(4)
    caffe.Net(str(case), caffe.TRAIN)
    ours = capfd.readouterr().err
    # Debian, whose build is the real Caffe at hand, has put three lines at the head of BVLC's source.
    real = re.sub(r"(?<=window_data_layer\.cpp:)\d+", lambda number: str(int(number[0]) - 3), real)
    logs = [[m for m in LOGGED.findall(log) if "Restarting" not in m[1]] for log in (ours, real)]
    assert logs[0] == logs[1]
    assert len(logs[0]) >= 2
