"""Golden logs: rows, verdict and first cause of each case file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from caffekit.diagnosis.causes import diagnose
from caffekit.diagnosis.gather import gather
from caffekit.diagnosis.verdict import judge
from caffekit.formats.log_reader import read_log

CASES = sorted((Path(__file__).parent.parent / "cases" / "logs").glob("*.log"))
NAMES = {"overfit": "overfitting", "stuck-87": "stuck"}
DIVERGED = ("explode", "nan-sudden", "nan-at-start", "multi-loss-nan")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    log = read_log(path)
    verdict, watcher = judge(log)
    causes = diagnose(gather([path]))
    assert {
        "verdict": verdict.kind,
        "at_iteration": verdict.at_iteration,
        "last_healthy": watcher.last_healthy,
        "train": len(log.train),
        "test": len(log.test),
        "cause": causes[0].cause if causes else None,
    } == expected


def expected_verdict(listed: str) -> str:
    if listed.startswith("crash-"):
        return "crashed"
    return "diverged" if listed in DIVERGED else NAMES.get(listed, listed)


def test_published_logs_are_judged_as_people_judged_them(shared: Path) -> None:
    """All but one of 58: a grep of three ranks that trained side by side, each shown once."""
    with open(shared / "data/logs/index.tsv", encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t") if not row["verdict"].startswith("unsure")
        ]
    right = [
        judge(read_log(shared / "data/logs" / row["file"]))[0].kind == expected_verdict(row["verdict"])
        for row in rows
    ]
    assert sum(right) / len(right) >= 0.95
