"""Trainings from end to end: finished, repaired, interrupted, resumed, refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from caffekit.config import load_settings
from caffekit.engines import Engine
from caffekit.errors import DataError, EnvironmentProblem, FormatError, UsageError
from caffekit.formats.prototxt import read_net, read_solver
from caffekit.options import Options
from caffekit.report import Report
from caffekit.runs import find_snapshots, read_events, read_json
from caffekit.steps.train import train
from tests.engines import tiny
from tests.steps.databases import make_db, make_training_db

ROOT = Path(__file__).parent.parent.parent


def run(engine: Engine | None, solver: Path, *overrides: str, **how: Any) -> Report:
    """Train the user's own solver in ../run beside it."""
    name = engine.name if engine else "embedded"
    settings = load_settings(None, (f"train.engine={name}", "train.gpu=none", *overrides))
    python = engine.path if engine and engine.name == "bvlc" else None
    how = {"run_dir": solver.parent / "run", "caffe_python": python, **how}
    return train(settings, how.pop("options", Options(quiet=True)), solver=solver, **how)


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "caffekit", "train", "--cpu", *map(str, args)]


def test_a_training_leaves_all_that_the_run_directory_promises(engine: Engine, tmp_path: Path) -> None:
    report = run(engine, tiny.make(tmp_path))
    folder = tmp_path / "run"
    assert (report.exit_code, report.summary["outcome"], report.summary["iterations"]) == (0, "done", 20)
    assert report.summary["engine"] == engine.name
    assert report.summary["device"] == "cpu"
    assert [attempt["outcome"] for attempt in report.summary["attempts"]] == ["done"]
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "train_val.prototxt", "deploy.prototxt", "solver.prototxt", "preprocess.yaml", "attempts",
        "metrics.csv", "events.jsonl", "report.html", "best.caffemodel", "best.json", "summary.json",
        "snapshots",
    }  # fmt: skip
    assert {path.name for path in (folder / "attempts" / "1").iterdir()} == {
        "solver.prototxt", "train_val.prototxt", "caffe.log", "why.json", "job.json"
    }  # fmt: skip
    assert [snapshot.iter for snapshot in find_snapshots(folder / "snapshots")] == [10, 20]
    best = json.loads((folder / "best.json").read_text())
    assert best["metrics"] == report.summary["best"]["metrics"]
    assert read_json(folder / "summary.json") == json.loads(json.dumps(report.summary))
    assert not list(tmp_path.glob("tiny_iter_*")), "snapshots go to the run directory"


def test_an_explosion_is_repaired_and_audited(engine: Engine, tmp_path: Path) -> None:
    """base_lr far too large: ends well, with a tenth of it (or a tenth of that)."""
    solver = tiny.make(tmp_path, base_lr=60.0, momentum=0, max_iter=100, snapshot=5)
    report = run(engine, solver)
    assert report.exit_code == 0
    first, *_, last = report.summary["attempts"]
    assert first["outcome"] in ("diverged", "stuck")
    assert first["cause"] == "learning-rate"
    assert last["outcome"] == "done"
    assert last["changed"]["base_lr"][1] < 60
    used = read_solver(tmp_path / "run" / "attempts" / str(last["attempt"]) / "solver.prototxt")
    assert used.base_lr == pytest.approx(last["changed"]["base_lr"][1])
    assert read_solver(tmp_path / "run" / "solver.prototxt").base_lr == 60
    events = read_events(tmp_path / "run" / "events.jsonl")
    losses = [float(event["loss"]) for event in events if event["event"] == "display"]
    assert losses[-1] < 1.2


def test_without_recovery_it_ends_with_5(tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, base_lr=1e30)
    report = run(None, solver, "guard.on_divergence=stop")
    assert (report.exit_code, report.summary["outcome"]) == (5, "diverged")
    (attempt,) = report.summary["attempts"]
    last = read_events(tmp_path / "run" / "events.jsonl")[-1]
    assert (last["event"], last["iter"]) == ("end", attempt["at_iteration"]), "no update after the verdict"
    assert (tmp_path / "run" / "report.html").exists()


def test_resuming_goes_on_and_a_finished_run_has_nothing_to_do(tmp_path: Path) -> None:
    solver = tiny.make(tmp_path)
    assert run(None, solver).exit_code == 0
    with pytest.raises(UsageError, match="holds a training already"):
        run(None, solver)
    again = run(None, solver, resume="auto")
    assert "nothing to do" in str(again)
    tiny.make(tmp_path, max_iter=30)
    longer = run(None, solver, resume="auto")
    assert longer.summary["iterations"] == 30
    assert [bool(attempt["resumed_from"]) for attempt in longer.summary["attempts"]] == [False, True]
    why = json.loads((tmp_path / "run" / "attempts" / "2" / "why.json").read_text())
    assert why["from_iteration"] == 20
    tiny.make(tmp_path, max_iter=30, base_lr=0.5)
    with pytest.raises(UsageError, match="base_lr: 0.0"):
        run(None, solver, resume="auto")
    anew = run(None, solver, resume="auto", options=Options(overwrite=True, quiet=True))
    assert [attempt["resumed_from"] for attempt in anew.summary["attempts"]] == [None]


def test_a_snapshot_that_was_cut_short_is_passed_over(tmp_path: Path) -> None:
    solver = tiny.make(tmp_path)
    run(None, solver)
    newest = find_snapshots(tmp_path / "run" / "snapshots")[-1]
    newest.model.write_bytes(newest.model.read_bytes()[:-9])
    report = run(None, solver, resume="auto")
    assert report.summary["attempts"][-1]["resumed_from"].endswith("_iter_10.solverstate")
    assert report.summary["iterations"] == 20


def test_a_state_whose_weights_have_moved(tmp_path: Path) -> None:
    """A .solverstate names its .caffemodel as it was then; beside it is where it is now."""
    run(None, tiny.make(tmp_path / "a"))
    (tmp_path / "a" / "run" / "snapshots").rename(tmp_path / "moved")
    solver = tiny.make(tmp_path / "b", max_iter=22)
    state = find_snapshots(tmp_path / "moved")[-1].state
    report = run(None, solver, resume=state)
    assert report.exit_code == 0
    displays = [e for e in read_events(tmp_path / "b" / "run" / "events.jsonl") if e["event"] == "display"]
    assert [event["iter"] for event in displays] == [20, 21]
    state.with_suffix(".caffemodel").unlink()
    with pytest.raises(DataError, match="weights are neither"):
        run(None, solver, resume=state, run_dir=tmp_path / "c")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_the_state(tmp_path: Path, number: signal.Signals, code: int) -> None:
    solver = tiny.make(
        tmp_path, max_iter=1_000_000, snapshot=0, display=100, test_iter=None, test_interval=None
    )
    events = tmp_path / "run" / "events.jsonl"
    child = subprocess.Popen(
        command("--solver", solver, "--run-dir", events.parent, "--json"), cwd=ROOT, stdout=subprocess.PIPE
    )
    wait_for(lambda: any(e["event"] == "display" and e["iter"] for e in read_events(events)))
    child.send_signal(signal.SIGHUP)
    wait_for(lambda: any(e["event"] == "snapshot" for e in read_events(events)))
    assert "Running" in (tmp_path / "run" / "report.html").read_text()
    child.send_signal(number)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == code
    summary = json.loads(out)
    assert (summary["exit_code"], summary["outcome"]) == (code, "interrupted")
    assert find_snapshots(tmp_path / "run" / "snapshots")[-1].iter == summary["iterations"]


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.bvlc
def test_a_killed_worker_is_started_again_from_the_last_snapshot(tmp_path: Path, bvlc: Path) -> None:
    solver = tiny.make(
        tmp_path, max_iter=60_000, snapshot=10_000, display=1000, test_iter=None, test_interval=None
    )
    folder = tmp_path / "run"
    args = [
        "--solver",
        solver,
        "--run-dir",
        folder,
        "--engine",
        "bvlc",
        "--caffe-python",
        bvlc,
        "--json",
        "-q",
    ]
    child = subprocess.Popen(command(*args), cwd=ROOT, stdout=subprocess.PIPE)
    wait_for(lambda: any(e["event"] == "snapshot" for e in read_events(folder / "events.jsonl")))
    worker = next(pid for pid in children(child.pid) if "worker.py" in cmdline(pid))
    os.kill(worker, signal.SIGKILL)
    out, _ = child.communicate(timeout=120)
    summary = json.loads(out)
    assert (child.returncode, summary["iterations"]) == (0, 60_000)
    assert [attempt["outcome"] for attempt in summary["attempts"]] == ["died", "done"]
    assert "signal 9" in summary["attempts"][0]["seen"][0]
    assert summary["attempts"][1]["resumed_from"]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cmdline(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_max_hours_pauses_with_9_and_resuming_ends_it(tmp_path: Path) -> None:
    solver = tiny.make(
        tmp_path, max_iter=100_000_000, snapshot=0, display=1000, test_iter=None, test_interval=None
    )
    report = run(None, solver, f"train.max_hours={4 / 3600}")
    assert (report.exit_code, report.summary["outcome"]) == (9, "paused")
    reached = report.summary["iterations"]
    assert reached > 0
    tiny.make(tmp_path, max_iter=reached + 5, snapshot=0, display=1000, test_iter=None, test_interval=None)
    assert run(None, solver, resume="auto").summary["iterations"] == reached + 5


def test_early_stop(tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, base_lr=0.0, max_iter=1000, test_interval=5)
    report = run(None, solver, "train.early_stop.patience=3")
    assert (report.exit_code, report.summary["outcome"]) == (0, "early-stop")
    assert report.summary["iterations"] < 100
    assert "nothing to do" in str(run(None, solver, resume="auto"))


def test_it_starts_from_weights(tmp_path: Path) -> None:
    run(None, tiny.make(tmp_path / "a"))
    solver = tiny.make(tmp_path / "b", max_iter=1)
    run(None, solver, f"train.weights=[{tmp_path / 'a' / 'run' / 'snapshots' / 'tiny_iter_20.caffemodel'}]")
    tests = [e for e in read_events(tmp_path / "b" / "run" / "events.jsonl") if e["event"] == "test"]
    trained = [e for e in read_events(tmp_path / "a" / "run" / "events.jsonl") if e["event"] == "test"]
    assert tests[0]["outputs"] == trained[-1]["outputs"]


def test_from_a_configuration(tmp_path: Path) -> None:
    make_training_db(tmp_path / "build" / "x" / "train_lmdb", 60)
    make_db(tmp_path / "build" / "x" / "val_lmdb", 20)
    (tmp_path / "build" / "x" / "labels.txt").write_text("".join(f"c{i}\n" for i in range(10)))
    config = tmp_path / "pipeline.yaml"
    config.write_text("version: 1\nname: x\nsolver: {epochs: 1, batch_size: 30}\ntrain: {gpu: none}\n")
    report = train(load_settings(config), Options(quiet=True))
    folder = tmp_path / "runs" / "x"
    assert (report.exit_code, report.summary["run_dir"]) == (0, str(folder))
    assert load_settings(folder / "config.yaml").solver.batch_size == 30
    assert (folder / "labels.txt").exists()
    net = read_net(folder / "train_val.prototxt")
    assert Path(net.layer[0].data_param.source).is_absolute()
    assert read_solver(folder / "solver.prototxt").net == str(folder / "train_val.prototxt")
    assert [
        path for path in tmp_path.joinpath("runs").iterdir() if path.name.startswith(".x.") and path.is_dir()
    ] == []


def test_what_is_missing_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    solver = tiny.make(tmp_path)
    text = solver.read_text()
    for wrong, error, words in [
        (text.replace("net.prototxt", "nope.prototxt"), DataError, "nope.prototxt"),
        (text.replace('lr_policy: "fixed"\n', ""), FormatError, "lr_policy is not set"),
        (text.replace("net:", "# net:"), FormatError, "expected one of net"),
        ("base_lr 1", FormatError, "solver.prototxt:1"),
    ]:
        solver.write_text(wrong)
        with pytest.raises(error, match=words):
            run(None, solver)
    solver.write_text(text)
    with pytest.raises(DataError, match="no such file: .*w.caffemodel"):
        run(None, solver, f"train.weights=[{tmp_path / 'w.caffemodel'}]")
    with pytest.raises(DataError, match="no such file"):
        run(None, solver, resume=tmp_path / "x.solverstate")
    with pytest.raises(EnvironmentProblem):
        run(None, solver, "train.engine=bvlc", caffe_python=tmp_path / "python")
    with pytest.raises(UsageError, match="no run directory"):
        run(None, solver, run_dir=tmp_path)
    (tmp_path / "db" / "data.mdb").rename(tmp_path / "db" / "gone")
    with pytest.raises(DataError, match="no LMDB there"):
        run(None, solver)
    assert not (tmp_path / "run").exists()


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    report = run(None, tiny.make(tmp_path), options=Options(dry_run=True))
    assert "would train" in str(report)
    assert not (tmp_path / "run").exists()


def test_caffes_own_spelling(tmp_path: Path) -> None:
    solver = tiny.make(tmp_path, max_iter=2)
    args = ["-solver", solver, "--run-dir", tmp_path / "run", "-q"]
    done = subprocess.run(command(*args), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "trained 2 iterations" in done.stdout
    assert done.stderr == ""
