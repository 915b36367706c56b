"""events.jsonl, metrics.csv, best.caffemodel, the lock."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from caffekit.errors import Locked, UsageError
from caffekit.runs import Best, EventLog, RunDir, read_events, read_json, write_metrics


def display(it: int, loss: Any) -> dict[str, Any]:
    return {
        "event": "display",
        "iter": it,
        "loss": loss,
        "lr": 0.1,
        "outputs": {"loss": [loss], "pair": [1, 2]},
    }


def scored(it: int, accuracy: Any) -> dict[str, Any]:
    outputs = {"accuracy": [accuracy], "loss": [1.5]}
    return {"event": "test", "iter": it, "net": 0, "outputs": outputs, "losses": {"loss": 1}}


def test_events_survive_a_writer_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.add(display(0, float("nan")), 1)
    with open(path, "a") as file:
        file.write('{"event": "disp')
    with EventLog(path) as log:
        log.add(display(5, 0.5), 2)
    events = read_events(path)
    assert [(event["iter"], event["attempt"], event["loss"]) for event in events] == [
        (0, 1, "nan"),
        (5, 2, 0.5),
    ]


def test_metrics_have_a_row_per_display_and_test(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    events = [
        {**display(0, "nan"), "attempt": 1},
        {**scored(0, 0.1), "attempt": 1},
        {"event": "end", "iter": 1},
    ]
    write_metrics(path, events)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["phase"] for row in rows] == ["train", "test"]
    assert (rows[0]["loss"], rows[0]["pair[1]"], rows[1]["accuracy"]) == ("nan", "2", "0.1")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    for it in (10, 20, 30):
        (tmp_path / f"m{it}").write_text(str(it))
    return RunDir(tmp_path)


def wrote(run: RunDir, it: int, finite: bool = True) -> dict[str, Any]:
    return {"event": "snapshot", "iter": it, "model": str(run.path / f"m{it}"), "finite": finite}


def test_the_best_is_copied_whichever_comes_first(run: RunDir) -> None:
    best = Best(run, "accuracy", keep=2)
    for event in (scored(0, 0.9), wrote(run, 10), scored(10, 0.5), scored(20, 0.8), wrote(run, 20)):
        best.observe(event)
    assert run.best_model.read_text() == "20"
    for event in (wrote(run, 30), scored(30, "nan")):
        best.observe(event)
    best.finish()
    assert run.best_model.read_text() == "20"
    assert best.kept() == [20, 10]
    assert read_json(run.path / "best.json")["metrics"] == {"accuracy": 0.8, "loss": 1.5}
    assert Best(run, "accuracy").value == 0.8  # a resumed training knows


def test_a_loss_is_better_when_smaller(run: RunDir) -> None:
    best = Best(run, "loss")
    for it, value in ((10, 0.5), (20, 0.7)):
        best.observe({**scored(it, 0), "outputs": {"loss": [value]}})
        best.observe(wrote(run, it))
    assert run.best_model.read_text() == "10"


def test_a_test_of_a_discarded_attempt_says_nothing_of_new_weights(run: RunDir) -> None:
    best = Best(run, "accuracy")
    best.observe(scored(20, 0.9))
    best.forget_after(10)
    best.observe(wrote(run, 20))
    assert not run.best_model.exists()


def test_weights_that_are_not_finite_are_never_best(run: RunDir) -> None:
    best = Best(run, "accuracy")
    best.observe(wrote(run, 10, finite=False))
    best.observe(scored(10, 0.9))
    best.finish()
    assert not run.best_model.exists()


def test_without_a_test_the_newest_is_the_best(run: RunDir) -> None:
    best = Best(run, None)
    for it in (10, 30):
        best.observe(wrote(run, it))
    best.finish()
    assert run.best_model.read_text() == "30"


def test_one_training_at_a_time(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "runs" / "a")
    with run.lock():
        with pytest.raises(Locked) as caught, RunDir(run.path).lock():
            pass
        assert caught.value.exit_code == 75
        with RunDir(tmp_path / "runs" / "b").lock():
            pass
    with run.lock():
        pass


def test_only_what_a_training_wrote_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text("mine")
    run = RunDir(tmp_path)
    with pytest.raises(UsageError, match="no run directory"):
        run.refuse_other()
    (tmp_path / "inputs.json").write_text(json.dumps({}))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "attempts" / "1").mkdir(parents=True)
    run.refuse_other()
    run.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
