"""The log is Caffe's, line for line: against recorded logs, real Caffe, and its own parse_log.py."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.formats.prototxt_text import debug_string
from caffekit.pycaffe.log import log, log_message

from .log_case import differences, lines, log_of, run

CASES = sorted((Path(__file__).parent.parent / "cases" / "training").iterdir())
OURS = [sys.executable, "-m", "caffekit.engines.embedded_child"]


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_every_line_is_caffes(case: Path, tmp_path: Path) -> None:
    recorded = (case / "caffe.log").read_text().splitlines()
    assert differences(run(case, tmp_path, OURS), recorded) == []


@pytest.mark.bvlc
@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_the_recorded_log_is_real_caffes(case: Path, bvlc: Path, tmp_path: Path) -> None:
    recorded = (case / "caffe.log").read_text().splitlines()
    assert differences(run(case, tmp_path, [str(bvlc)]), recorded) == []


def test_differences_are_seen() -> None:
    assert differences(["I a.cpp:1] loss = 1.0001"], ["I a.cpp:1] loss = 1.0002"]) == []
    assert len(differences(["I a.cpp:1] loss = 1.001"], ["I a.cpp:1] loss = 1.002"])) == 1
    assert len(differences(["I a.cpp:1] x", "I b.cpp:2] y"], ["I a.cpp:1] x"])) == 1
    assert len(differences(["I a.cpp:1] x"], ["I a.cpp:2] x"])) == 1


GOLDEN = ["train_basic", "train_average_loss", "train_iter_size_h5", "train_nodisplay", "train_lmdb"]
RUN = """
import sys
from caffekit.formats.prototxt import read_solver
import caffe
param = read_solver("solver.prototxt")
param.train_state.level = 0
param.train_state.stage.append("")
from caffekit.pycaffe.solvers import SOLVERS
SOLVERS[param.type](param).solve()
"""


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_logs_of_the_caffe_tool(shared: Path, tmp_path: Path, name: str) -> None:
    """The recorded prototxts give the recorded lines; HDF5 rows are others, so their losses are, too."""
    golden = shared / "tools" / "golden"
    meta = json.loads((golden / "logs" / f"{name}.meta.json").read_text())
    case, work = tmp_path / "case", tmp_path / "work"
    for folder in (case, work, work / "snap"):
        folder.mkdir()
    for file, text in (("net.prototxt", meta["net"]), ("solver.prototxt", meta["solver"]), ("run.py", RUN)):
        (case / file).write_text(text)
    for part in ("train", "test"):
        (case / f"h5_{part}.txt").write_text("rows.h5\n")
    with h5py.File(case / "rows.h5", "w") as file:
        file["data"] = np.random.RandomState(0).rand(24, 4).astype(np.float32)
        file["label"] = np.arange(24, dtype=np.float32) % 3
    (work / "data").symlink_to(golden / "data")
    logged = run(case, work, OURS)
    recorded = lines((golden / "logs" / f"{name}.log").read_text())
    threads = ("data_layer.cpp:73]", "blocking_queue.cpp:49]")  # come when they come
    in_order = [[each for each in log if not each[2:].startswith(threads)] for log in (logged, recorded)]
    assert differences(*in_order, scores=name == "train_lmdb") == []


def test_caffes_own_parse_log_reads_it(tmp_path: Path) -> None:
    source = os.environ.get("CAFFE_SRC")
    if not source:
        pytest.skip("no checkout of BVLC/caffe (set CAFFE_SRC)")
    case = next(each for each in CASES if each.name == "everything")
    (tmp_path / "train.log").write_text(log_of(case, tmp_path, OURS))
    python2 = (Path(source) / "tools" / "extra" / "parse_log.py").read_text()
    (tmp_path / "parse.py").write_text(re.sub(r"^( *)print (.*)", r"\1print(\2)", python2, flags=re.M))
    command = [sys.executable, "-W", "ignore", "parse.py", "train.log", "."]
    subprocess.run(
        command, cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": str(Path(source) / "tools/extra")}
    )
    with open(tmp_path / "train.log.train") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["NumIters"]) for row in rows] == [0, 3]
    assert float(rows[0]["LearningRate"]) == pytest.approx(0.01)
    with open(tmp_path / "train.log.test") as file:
        assert "accuracy" in next(csv.DictReader(file))


@pytest.mark.parametrize(
    ("level", "severities"), [("", "IWE"), ("0", "IWE"), ("1", "WE"), ("2", "E"), ("3", ""), ("x", "IWE")]
)
def test_glogs_minimum_level(level: str, severities: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("GLOG_minloglevel", level)
    for severity in "IWE":
        log("a.cpp:1", "text", severity)
    assert [line[0] for line in capsys.readouterr().err.splitlines()] == list(severities)


def test_long_messages_are_cut_off_as_glog_does(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "0")
    log_message("net.cpp:53", "Title: ", NetParameter(name="n" * 40000))
    assert len(capsys.readouterr().err) == 29999


def test_messages_look_as_in_cpp() -> None:
    text = (
        'name: "\\"a\\"\\n\\303\\244" layer { loss_weight: 0.1 loss_weight: 0.1234567 loss_weight: 16777217'
    )
    text += (
        " phase: TEST propagate_down: false blobs { shape { dim: 1 dim: 2 } } lrn_param { alpha: 1e-30 } }"
    )
    expected = [
        r'name: "\"a\"\n\303\244"',
        "layer {",
        "  loss_weight: 0.1",
        "  loss_weight: 0.123456702",
        "  loss_weight: 16777216",
        "  blobs {",
        "    shape {",
        "      dim: 1",
        "      dim: 2",
        "    }",
        "  }",
        "  phase: TEST",
        "  propagate_down: false",
        "  lrn_param {",
        "    alpha: 1e-30",
        "  }",
        "}",
    ]
    assert debug_string(parse(text, NetParameter(), "F")).splitlines() == expected
