"""`diagnose-nan` on files, and as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from caffekit.errors import DataError, UsageError
from caffekit.formats.caffe_pb2 import Datum
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.formats.prototxt import read_net, read_solver
from caffekit.options import Options
from caffekit.steps.diagnose_nan import WIDTH, diagnose_nan

LOGS = Path(__file__).parent.parent / "cases" / "logs"
NET = """name: "two"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "loss3" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss3/loss: 50%" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed" max_iter: 100\n'


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return {"net": tmp_path / "net.prototxt", "solver": tmp_path / "solver.prototxt"}


def database(path: Path, labels: list[int]) -> Path:
    def records() -> Any:
        for i, label in enumerate(labels):
            datum = Datum(channels=1, height=2, width=2, data=bytes(4), label=label)
            yield f"{i:08d}_x".encode(), datum.SerializeToString()

    write_lmdb(path, records())
    return path


def command(*args: Any) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "caffekit", "diagnose-nan", *map(str, args)]
    return subprocess.run(call, capture_output=True, text=True, check=False)  # noqa: S603


def test_the_cause_of_a_climb() -> None:
    report = diagnose_nan([LOGS / "climb_then_nan.log"])
    assert (report.exit_code, report.status) == (3, "ok")
    assert (report.summary["verdict"], report.summary["at_iteration"]) == ("diverged", 30)
    assert report.summary["causes"][0]["cause"] == "learning-rate"
    assert set(report.summary["causes"][0]) >= {"cause", "confidence", "evidence", "remedy"}
    assert max(map(len, report.lines)) <= WIDTH


def test_a_healthy_log_is_exit_0() -> None:
    report = diagnose_nan([LOGS / "old_2014.log"])
    assert (report.exit_code, report.summary["causes"], report.summary["at_iteration"]) == (0, [], None)


def test_the_first_log_that_is_not_healthy_counts() -> None:
    report = diagnose_nan([LOGS / "old_2014.log", LOGS / "out_of_memory.log", LOGS / "climb_then_nan.log"])
    assert report.summary["verdict"] == "crashed"


def test_labels_out_of_range_are_found_without_a_log(files: dict[str, Path], tmp_path: Path) -> None:
    db = database(tmp_path / "db", [0, 1, 2, 3, -1])
    report = diagnose_nan(net=files["net"], dbs=[db])
    [cause] = report.summary["causes"]
    assert cause["records"] == ["00000003_x (label 3)", "00000004_x (label -1)"]
    assert report.exit_code == 3
    assert diagnose_nan(net=files["net"], dbs=[database(tmp_path / "good", [0, 1, 2])]).exit_code == 0


def test_the_net_is_found_through_the_solver(files: dict[str, Path], tmp_path: Path) -> None:
    db = database(tmp_path / "db", [0, 3])
    assert diagnose_nan(solver=files["solver"], dbs=[db]).exit_code == 3


def test_fix_lowers_the_rate_in_a_copy(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "repaired"
    report = diagnose_nan([LOGS / "climb_then_nan.log"], files["solver"], fix=out)
    assert read_solver(out / "solver.prototxt").base_lr == pytest.approx(0.05)
    assert (
        (out / "solver.prototxt").read_text().startswith("# changed by caffekit diagnose-nan (learning-rate)")
    )
    assert report.summary["fixed"]["changes"] == ["solver: base_lr: 0.5 → 0.05"]
    assert files["solver"].read_text() == SOLVER, "the source stays"
    with pytest.raises(UsageError, match="exists already"):
        diagnose_nan([LOGS / "climb_then_nan.log"], files["solver"], fix=out)


def test_fix_lowers_one_loss_weight_in_a_copy(files: dict[str, Path], tmp_path: Path) -> None:
    log = LOGS / "stuck_one_of_three.log"
    diagnose_nan([log], files["solver"], files["net"], fix=tmp_path / "out")
    [loss] = [layer for layer in read_net(tmp_path / "out/net.prototxt").layer if layer.name == "loss3"]
    assert list(loss.loss_weight) == pytest.approx([0.1])
    assert read_solver(tmp_path / "out/solver.prototxt").base_lr == pytest.approx(0.5)
    with pytest.raises(UsageError, match="--fix needs --net"):
        diagnose_nan([log], fix=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_fix_writes_nothing_when_nothing_helps_or_on_a_dry_run(
    files: dict[str, Path], tmp_path: Path
) -> None:
    report = diagnose_nan([LOGS / "out_of_memory.log"], files["solver"], fix=tmp_path / "out")
    assert "wrote nothing" in report.warnings[0]
    dry = Options(dry_run=True)
    report = diagnose_nan([LOGS / "climb_then_nan.log"], files["solver"], fix=tmp_path / "out", options=dry)
    assert "would change: solver: base_lr: 0.5 → 0.05" in report.lines
    assert not (tmp_path / "out").exists()


def test_a_run_directory_shows_its_failed_attempt(files: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    for number, log in [(1, "old_2014"), (2, "climb_then_nan"), (10, "old_2014")]:
        (run / f"attempts/{number}").mkdir(parents=True)
        (run / f"attempts/{number}/caffe.log").write_bytes((LOGS / f"{log}.log").read_bytes())
    (run / "attempts/2/solver.prototxt").write_text(SOLVER.replace("0.5", "0.25"))
    (run / "solver.prototxt").write_text(SOLVER)
    report = diagnose_nan(run=run)
    assert report.summary["causes"][0]["remedy"]["set"] == {"base_lr": 0.025}
    with pytest.raises(DataError, match="no attempts/N/caffe.log"):
        diagnose_nan(run=tmp_path)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, UsageError, "nothing to look at"),
        ({"logs": [LOGS / "old_2014.log"], "replay": True}, UsageError, "--replay is not there yet"),
        ({"logs": [Path("absent.log")]}, DataError, "absent.log: No such file"),
        ({"logs": [LOGS / "old_2014.json"]}, DataError, "no Caffe log"),
    ],
)
def test_mistakes(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        diagnose_nan(**given)


def test_as_a_user_calls_it() -> None:
    result = command("--log", LOGS / "climb_then_nan.log", "--json")
    assert result.returncode == 3
    out = json.loads(result.stdout)
    assert (out["command"], out["status"], out["exit_code"]) == ("diagnose-nan", "ok", 3)
    assert (out["verdict"], out["causes"][0]["cause"]) == ("diverged", "learning-rate")
    result = command("--log", LOGS / "climb_then_nan.log")
    assert "1. learning-rate (85% sure)" in result.stdout
    assert command("--replay", "--log", "x").returncode == 2
    assert command().returncode == 2
    assert command("--log", "absent.log").stderr.splitlines()[0].startswith("error: reading absent.log")
