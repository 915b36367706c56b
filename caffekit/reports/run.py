"""runs/NAME/report.html: what a training did, on one page that needs nothing else."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from caffekit import __version__
from caffekit.formats.atomic import write_text
from caffekit.reports.chart import Mark, Series, line_chart

Event = dict[str, Any]
STYLES = ("s1", "s2", "s3", "s4")
TITLES = {
    "done": "Trained to the end",
    "early-stop": "Stopped early: no more progress",
    "paused": "Paused",
    "interrupted": "Interrupted, can be resumed",
    "running": "Running",
    "diverged": "Diverged",
    "died": "The engine died",
}


def write_run_report(path: Path, name: str, summary: dict[str, Any], events: Sequence[Event]) -> None:
    """Write the page, atomically. `summary` is the run's summary.json, `events` its events.jsonl."""
    attempts = summary["attempts"]
    marks = [Mark(a["at_iteration"], _mark_text(a)) for a in attempts if a["at_iteration"] is not None]
    page = (
        _environment()
        .get_template("run.html.j2")
        .render(
            name=name,
            title=TITLES.get(summary["outcome"], summary["outcome"]),
            summary=summary,
            attempts=[{**attempt, "what": changes(attempt["changed"])} for attempt in attempts],
            charts=_charts(events, marks),
            environment=_environment_rows(summary, events),
        )
    )
    write_text(path, page)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("caffekit", "reports"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["short"] = lambda value: f"{float(value):.4g}" if value is not None else "–"
    return environment


def changes(changed: dict[str, Any]) -> str:
    """{"base_lr": [0.1, 0.01]} → "base_lr 0.1 → 0.01"."""
    parts = []
    for key, value in changed.items():
        if isinstance(value, dict):
            parts += [f"{key} of {name} {_arrow(each)}" for name, each in value.items()]
        else:
            parts.append(f"{key} {_arrow(value)}")
    return ", ".join(parts)


def _arrow(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return " → ".join("unset" if each is None else f"{each:g}" for each in value)


def _mark_text(attempt: dict[str, Any]) -> str:
    cause = f": {attempt['cause']}" if attempt["cause"] else ""
    return f"attempt {attempt['attempt']} {attempt['outcome']} at iteration {attempt['at_iteration']}{cause}"


def _charts(events: Sequence[Event], marks: list[Mark]) -> list[dict[str, Any]]:
    """[{title, svg, legend}] for the loss, each other test output, the learning rate and dead units."""
    displays = [event for event in events if event["event"] in ("display", "alarm")]
    tests = [event for event in events if event["event"] == "test"]
    losses = sorted({name for event in tests for name in event.get("losses") or {}})
    others = sorted({name for event in tests for name in event["outputs"]} - set(losses))
    shows = [event for event in displays if event["event"] == "display"]
    relus = sorted({name for event in shows for name in event.get("dead") or {}})
    rows = [
        ("Loss", [*_by_attempt("train", displays, "loss"), *(_output(name, tests, "s2") for name in losses)]),
        *((name, [_output(name, tests, "s1")]) for name in others),
        ("Learning rate", _by_attempt("lr", shows, "lr")),
        ("Gradient norm", _by_attempt("L2 norm", shows, "grad_norm")),
        ("Dead ReLU units", [_dead(name, shows, STYLES[i % 4]) for i, name in enumerate(relus)]),
    ]
    charts = []
    for title, series in rows:
        drawn = [one for one in series if one.points]
        svg = line_chart(drawn, marks, f"{title} over iterations")
        if svg:
            charts.append({"title": title, "svg": Markup(svg), "legend": [(s.name, s.style) for s in drawn]})  # noqa: S704 - every text in it is escaped
    return charts


def _by_attempt(name: str, events: Sequence[Event], key: str) -> list[Series]:
    """One line per attempt; all but the last are faint."""
    numbers = sorted({int(event["attempt"]) for event in events})
    out = []
    for number in numbers:
        mine = [event for event in events if event["attempt"] == number and event.get(key) is not None]
        points = [(event["iter"], float(event[key])) for event in mine]
        label = name if len(numbers) == 1 else f"{name}, attempt {number}"
        out.append(Series(label, points, "s1" if number == numbers[-1] else "old"))
    return out


def _output(name: str, tests: Sequence[Event], style: str) -> Series:
    values = [(event["iter"], event["outputs"].get(name), event["attempt"]) for event in tests]
    points = {it: float(value[0]) for it, value, _ in values if value}  # the newest attempt's value counts
    return Series(f"test {name}", sorted(points.items()), style)


def _dead(name: str, displays: Sequence[Event], style: str) -> Series:
    shares = [(event["iter"], (event.get("dead") or {}).get(name)) for event in displays]
    points = {it: float(share) for it, share in shares if share is not None}
    return Series(name, sorted(points.items()), style)


def _environment_rows(summary: dict[str, Any], events: Sequence[Event]) -> list[tuple[str, str]]:
    start = next((event for event in events if event["event"] == "start"), {})
    return [
        ("caffekit", __version__),
        ("engine", f"{summary['engine']} (its caffe: {summary['engine_version']})"),
        ("device", summary["device"]),
        ("parameters", f"{start['parameters']:,}" if "parameters" in start else "–"),
        ("batch size", str(start.get("batch_size") or "–")),
        ("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        ("folder", summary["run_dir"]),
    ]
