"""The functions of the module itself, and the names that scripts import from it."""

from __future__ import annotations

import importlib
import time

import pytest

import caffekit.pycaffe as caffe

NAMES = [
    "Net",
    "SGDSolver",
    "NesterovSolver",
    "AdaGradSolver",
    "RMSPropSolver",
    "AdaDeltaSolver",
    "AdamSolver",
    "NCCL",
    "Timer",
    "init_log",
    "log",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_device",
    "Layer",
    "get_solver",
    "layer_type_list",
    "set_random_seed",
    "solver_count",
    "set_solver_count",
    "solver_rank",
    "set_solver_rank",
    "set_multiprocess",
    "has_nccl",
    "__version__",
    "TRAIN",
    "TEST",
    "Classifier",
    "Detector",
    "io",
    "layers",
    "params",
    "NetSpec",
    "to_proto",
    "proto",
]


@pytest.mark.parametrize("name", NAMES)
def test_pycaffes_names_are_there(name: str) -> None:
    """What BVLC's python/caffe/__init__.py exports."""
    assert getattr(caffe, name) is not None


def test_submodules_by_name() -> None:
    for name in ("coord_map", "draw", "io", "net_spec", "proto.caffe_pb2"):
        assert importlib.import_module(f"caffekit.pycaffe.{name}")
    assert caffe.proto.caffe_pb2.NetParameter


def test_the_types_are_sorted_and_all_there() -> None:
    types = caffe.layer_type_list()
    assert types == sorted(types)
    assert {"Convolution", "Data", "InnerProduct", "Python"} <= set(types)


def test_the_log_has_a_level(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    caffe.log("hello")
    caffe.init_log()
    caffe.log("still here")
    caffe.init_log(1, True)
    caffe.log("gone")
    err = capsys.readouterr().err
    assert err.startswith("I")
    assert "_caffe.cpp:68] hello\n" in err
    assert "still here" in err
    assert "gone" not in err


def test_the_timer_counts_from_start_to_stop() -> None:
    timer = caffe.Timer()
    assert timer.ms == 0
    timer.start()
    time.sleep(0.02)
    timer.start()  # is running already
    timer.stop()
    took = timer.ms
    assert 20 <= took < 2000
    time.sleep(0.01)
    timer.stop()  # has stopped already
    assert timer.ms == took
    timer.start()
    assert timer.ms < took  # stops by itself


def test_solvers_are_counted() -> None:
    assert (caffe.solver_count(), caffe.solver_rank()) == (1, 0)
    caffe.set_solver_count(3)
    caffe.set_solver_rank(2)
    try:
        assert (caffe.solver_count(), caffe.solver_rank()) == (3, 2)
    finally:
        caffe.set_solver_count(1)
        caffe.set_solver_rank(0)
