"""What debug_info logs, and when; its lines in a training are held against real Caffe in test_log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import caffekit.pycaffe as caffe
from caffekit.formats.caffe_pb2 import SolverParameter

NET = """
debug_info: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" param { name: "w" } param { lr_mult: 0 }
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: -0.5 } } }
layer { name: "loss" type: "Reduction" bottom: "ip" top: "loss" loss_weight: 1 }
"""


def messages(capsys: Any) -> list[str]:
    """The lines of debug_info, after their source."""
    return [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines() if "ward] " in line]


def test_a_net_can_ask_for_it(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    """Means of absolute values; parameters by name, fixed ones without a gradient; norms are the solver's."""
    monkeypatch.setenv("GLOG_minloglevel", "0")
    (tmp_path / "net.prototxt").write_text(NET)
    net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TRAIN)
    net.blobs["x"].data[...] = [1, -2, 3, 4]
    capsys.readouterr()
    net.forward()
    net.backward()
    assert messages(capsys) == [
        "    [Forward] Layer x, top blob x data: 2.5",
        "    [Forward] Layer ip, top blob ip data: 3",
        "    [Forward] Layer ip, param blob w data: 0.5",
        "    [Forward] Layer ip, param blob 1 data: 0",
        "    [Forward] Layer loss, top blob loss data: 6",
        "    [Backward] Layer loss, bottom blob ip diff: 1",
        "    [Backward] Layer ip, param blob 0 diff: 2.5",
    ]


def solver(tmp_path: Path, **fields: Any) -> Any:
    (tmp_path / "net.prototxt").write_text(NET)
    net = str(tmp_path / "net.prototxt")
    return caffe.SGDSolver(SolverParameter(net=net, base_lr=1, lr_policy="fixed", display=2, **fields))


def test_the_solver_decides(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    """On displayed iterations only; a solver without debug_info silences its nets."""
    monkeypatch.setenv("GLOG_minloglevel", "0")
    solver(tmp_path).step(3)
    assert messages(capsys) == []
    solver(tmp_path, debug_info=True, iter_size=2).step(2)
    assert sum("All net params" in line for line in messages(capsys)) == 2


def test_the_norms_are_errors(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    """glog writes them still at GLOG_minloglevel=2."""
    monkeypatch.setenv("GLOG_minloglevel", "2")
    solver(tmp_path, debug_info=True).step(2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("E")
    assert lines[0].endswith(
        "net.cpp:721]     [Backward] All net params (data, diff): L1 norm = (4, 0); L2 norm = (1.41421, 0)"
    )
    monkeypatch.setenv("GLOG_minloglevel", "3")
    solver(tmp_path, debug_info=True).step(2)
    assert capsys.readouterr().err == ""
