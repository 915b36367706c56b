"""Where the net computes and as which of several solvers; on a GPU the same results as on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import caffekit.pycaffe as caffe
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.pycaffe import mode

from .layer_case import run_case

CASES = sorted((Path(__file__).parent.parent / "cases" / "layers").glob("*.prototxt"))
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: GPUs are not tested here")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Whatever a test sets is set back."""
    yield
    mode.set_mode_cpu()
    mode.set_device(0)
    mode.set_solver_count(1)
    mode.set_solver_rank(0)
    mode.set_multiprocess(False)


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAFFEKIT_CPU", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no CUDA device is available"):
        caffe.set_mode_gpu()
    assert mode.device() == torch.device("cpu")
    caffe.set_device(3)  # as in Caffe's scripts, before set_mode_gpu: nothing to complain of yet
    monkeypatch.setenv("CAFFEKIT_CPU", "1")
    caffe.set_mode_gpu()
    assert mode.device() == torch.device("cpu")


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAFFEKIT_CPU", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    caffe.set_device(1)
    caffe.set_mode_gpu()
    assert mode.device() == torch.device("cuda", 1)
    with pytest.raises(RuntimeError, match="no GPU 2, this machine has 2"):
        caffe.set_device(2)


def test_ranks() -> None:
    caffe.set_solver_count(3)
    caffe.set_solver_rank(2)
    caffe.set_multiprocess(True)
    assert (caffe.solver_count(), caffe.solver_rank(), mode.multiprocess()) == (3, 2, True)
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        caffe.set_solver_count(0)
    with pytest.raises(ValueError, match="expected 0 or more, got -1"):
        caffe.set_solver_rank(-1)


def test_only_the_first_logs(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    net = parse(
        'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 } } }',
        NetParameter(),
        "",
    )
    caffe.Net(net, caffe.TEST)
    assert "Creating Layer x" in capfd.readouterr().err
    caffe.set_solver_rank(1)
    caffe.Net(net, caffe.TEST)
    assert not capfd.readouterr().err


def check(case: Path, tolerance: float) -> None:
    """The case gives what real Caffe gave on the CPU."""
    got = run_case(caffe, str(case))
    with np.load(case.with_suffix(".npz")) as wanted:
        assert set(got) == set(wanted)
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name], tolerance, tolerance, err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_layers_make_their_tensors_where_the_net_is(case: Path) -> None:
    """A stand-in for a GPU: a tensor made without saying where has no values here, and fails."""
    with torch.device("meta"):
        check(case, 1e-5)


@pytest.mark.gpu
@gpu
def test_layers_on_the_gpu() -> None:
    """Data and gradients within 1e-4 of real Caffe's results on the CPU."""
    caffe.set_mode_gpu()
    for case in CASES:
        if "# seed:" not in case.read_text():
            check(case, 1e-4)


@pytest.mark.gpu
@gpu
def test_views_write_through_on_the_gpu() -> None:
    """What is assigned to `data` is what the GPU computes with, and what it computes is seen there."""
    caffe.set_mode_gpu()
    net = caffe.Net(
        parse(
            'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'
            'layer { name: "y" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }',
            NetParameter(),
            "",
        ),
        caffe.TEST,
    )
    for value in (1, 5):
        net.blobs["x"].data[...] = value
        assert (net.forward()["y"] == 2 * value).all()
    assert net.blobs["y"].value.device.type == "cuda"
