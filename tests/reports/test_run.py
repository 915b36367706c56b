"""The report of a run, and its charts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from caffekit.reports.chart import Mark, Series, line_chart
from caffekit.reports.run import changes, write_run_report

ATTEMPT: dict[str, Any] = {
    "attempt": 1, "outcome": "diverged", "at_iteration": 20, "cause": "learning-rate", "seen": ["loss = nan"],
    "evidence": ["<script>alert(1)</script>"], "changed": {}, "resumed_from": None,
}  # fmt: skip
SUMMARY: dict[str, Any] = {
    "run_dir": "runs/x", "engine": "bvlc", "engine_version": "1.0.0", "device": "cpu", "outcome": "done",
    "attempts": [ATTEMPT, {**ATTEMPT, "attempt": 2, "outcome": "done", "at_iteration": None, "cause": None,
                           "changed": {"base_lr": [0.1, 0.01]}, "resumed_from": "a/x_iter_10.solverstate"}],
    "best": {"iter": 30, "metrics": {"accuracy": 0.9}}, "iterations": 30, "images_per_second": 12.0,
}  # fmt: skip


def events() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"event": "start", "iter": 0, "parameters": 1234, "batch_size": 8, "attempt": 1}
    ]
    for it, loss, attempt in ((0, 2.3, 1), (10, 1.0, 1), (20, "nan", 1), (10, 1.1, 2), (20, 0.1, 2)):
        more = {"lr": 0.1, "grad_norm": 1.0, "dead": {"relu1": 0.2}, "outputs": {}}
        rows.append({"event": "display", "iter": it, "loss": loss, "attempt": attempt, **more})
    outputs = {"accuracy": [0.9], "loss": [0.3]}
    rows.append({"event": "test", "iter": 30, "attempt": 2, "outputs": outputs, "losses": {"loss": 1}})
    return rows


def test_the_page_says_what_happened_and_needs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_run_report(path, "x & y", SUMMARY, events())
    page = path.read_text()
    for text in (
        "x &amp; y",
        "Trained to the end",
        "learning-rate",
        "base_lr 0.1 → 0.01",
        "x_iter_10",
        "1,234",
    ):
        assert text in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    assert {title for title in re.findall("<h2>(.*?)</h2>", page)} >= {"Loss", "Accuracy", "Learning rate"}


@pytest.mark.parametrize("outcome", ["running", "failed", "died"])
def test_a_run_that_has_not_got_far(tmp_path: Path, outcome: str) -> None:
    summary = {**SUMMARY, "outcome": outcome, "attempts": [], "best": None}
    del summary["iterations"], summary["images_per_second"]
    write_run_report(tmp_path / "report.html", "x", summary, [])
    assert "<svg" not in (tmp_path / "report.html").read_text()


def test_changes_in_words() -> None:
    assert changes({"clip_gradients": [None, 35.0]}) == "clip_gradients unset → 35"
    assert changes({"loss_weight": {"aux": [1.0, 0.1]}}) == "loss_weight of aux 1 → 0.1"
    assert changes({}) == ""


def test_a_chart_is_xml_with_crosses_for_nan_and_lines_for_marks() -> None:
    series = Series("a < b", [(0, 1.0), (10, 1000.0), (20, float("nan"))])
    svg = line_chart([series], [Mark(15, "rolled back")])
    root = ElementTree.fromstring(svg)
    assert len(root.findall(".//path[@class='bad']")) == 1
    assert len(root.findall(".//line[@class='mark']")) == 1
    assert [text.text for text in root.findall("text")][0] == "1"  # logarithmic: from 1 …
    points = root.find("polyline").attrib["points"].split()  # type: ignore[union-attr]
    assert len(points) == 2
    assert float(points[0].split(",")[1]) > float(points[1].split(",")[1])  # larger is higher


def test_long_series_are_thinned_and_empty_ones_not_drawn() -> None:
    assert len(Series("x", [(i, float(i)) for i in range(10000)]).finite) <= 801
    assert line_chart([Series("x", [(0, float("inf"))])]) == ""
    assert "NaN" not in line_chart([Series("x", [(5, 0.0)])])
