"""`parse-log`: the table of a log."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from caffekit.errors import DataError, UsageError
from caffekit.options import Options
from caffekit.steps.parse_log import COLUMNS, parse_log

LOGS = Path(__file__).parent.parent / "cases" / "logs"


def test_nan_stands_in_the_table(tmp_path: Path) -> None:
    report = parse_log(LOGS / "climb_then_nan.log", tmp_path / "m.csv")
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert [row["smoothed_loss"] for row in rows] == ["2.30259", "2.81", "4.2", "-nan"]
    assert [row["NumIters"] for row in rows] == ["0", "10", "20", "30"]
    assert [row["Seconds"] for row in rows] == ["0.999999", "2", "3", "4"]
    assert {row["LearningRate"] for row in rows} == {"0.5"}
    assert report.summary["verdict"] == "diverged"
    assert report.next.startswith("caffekit diagnose-nan --log")


def test_train_and_test_rows_by_iteration(tmp_path: Path) -> None:
    parse_log(LOGS / "overfit.log", tmp_path / "m.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows[:4]] == ["test", "train", "test", "train"]
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    assert (rows[0]["accuracy"], rows[0]["loss"], rows[0]["smoothed_loss"]) == (0.5, 2.3, None)
    parse_log(LOGS / "climb_then_nan.log", tmp_path / "n.jsonl")
    assert json.loads((tmp_path / "n.jsonl").read_text().splitlines()[-1])["smoothed_loss"] == "nan"


def test_without_an_output_it_only_counts() -> None:
    report = parse_log(LOGS / "old_2014.log")
    assert str(report) == "2 train and 2 test rows up to iteration 200 (healthy)"
    assert report.summary["snapshots"] == ["old_iter_200"]


def test_mistakes_and_dry_run(tmp_path: Path) -> None:
    out = tmp_path / "m.csv"
    parse_log(LOGS / "overfit.log", out, Options(dry_run=True))
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        parse_log(LOGS / "overfit.log", out)
    with pytest.raises(UsageError, match=r"\.csv or \.jsonl"):
        parse_log(LOGS / "overfit.log", tmp_path / "m.txt")
    with pytest.raises(DataError, match="no Iteration line"):
        parse_log(LOGS / "out_of_memory.log", tmp_path / "other.csv")
    assert out.read_text() == "mine"


def test_as_a_user_calls_it(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "caffekit", "parse-log", "-", "-o", str(tmp_path / "m.csv"), "--json"]
    data = (LOGS / "overfit.log").read_bytes()
    result = subprocess.run(call, input=data, capture_output=True, check=False)  # noqa: S603
    out = json.loads(result.stdout)
    assert (result.returncode, out["train_rows"], out["test_rows"]) == (0, 6, 6)
    assert (tmp_path / "m.csv").read_text().splitlines()[0] == ",".join([*COLUMNS, "accuracy", "loss"])
