"""What we write we read back, and what we write is what real Caffe writes."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from caffekit.formats import caffe_log as log

ODD = [0.0, -0.0, 0.693147, 87.3365, 1e-7, 1.5e38, -3.25, math.nan, -math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.1 + 0.2, "0.3"),
        (1.11949e-06, "1.11949e-06"),
        (123456789.0, "1.23457e+08"),
        (-0.0, "-0"),
        (math.nan, "nan"),
        (-math.nan, "-nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_are_written_as_ostream_does(value: float, text: str) -> None:
    assert log.number(value) == text


@pytest.mark.parametrize("text", ["nan", "-nan", "1.#QNAN", "-1.#IND", "-nan(ind)", "NaN"])
def test_every_spelling_of_nan_is_read(text: str) -> None:
    assert math.isnan(log.to_float(text))
    found = log.parse_message(f"Iteration 3, loss = {text}")
    assert found and math.isnan(found[1]["loss"])


def found_output(which: str, found: dict[str, Any]) -> tuple[str, str]:
    return log.net_output(which, found["index"], found["name"], found["value"], found.get("weight"))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b) and math.copysign(1, a) == math.copysign(1, b)
    return bool(a == b)


def rounded(x: float) -> float:
    return float(log.number(x)) if math.isfinite(x) else x


@pytest.mark.parametrize("x", ODD)
@pytest.mark.parametrize(
    ("emitted", "kind", "fields"),
    [
        (
            lambda x: log.iteration(10, 5, 2.5, 5, x),
            "iteration",
            {"iter": 10, "rate": 2.0, "lapse": 2.5, "loss": 1},
        ),
        (lambda x: log.final_iteration(20, x), "iteration", {"iter": 20, "loss": 1}),
        (lambda x: log.learning_rate(20, x), "learning_rate", {"iter": 20, "lr": 1}),
        (lambda x: log.test_loss(x), "test_loss", {"loss": 1}),
        (
            lambda x: log.net_output("Train", 3, "a = b/c: 5%", x),
            "train_output",
            {"index": 3, "name": "a = b/c: 5%", "value": 1},
        ),
        (
            lambda x: log.net_output("Test", 0, "loss", x, 0.5),
            "test_output",
            {"index": 0, "name": "loss", "weight": 0.5, "value": 1},
        ),
    ],
)
def test_every_number_comes_back(x: float, emitted: Any, kind: str, fields: dict[str, Any]) -> None:
    source, message = emitted(x)
    found = log.parse_message(log.line(message, source))
    assert found is not None
    expected = {
        key: rounded(x) if value == 1 and key in ("loss", "lr", "value") else value
        for key, value in fields.items()
    }
    assert found[0] == kind
    assert found[1].keys() == expected.keys()
    assert all(same(found[1][key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    ("emitted", "expected"),
    [
        (log.solving("LeNet"), ("solving", {"name": "LeNet"})),
        (log.policy("inv"), ("policy", {"policy": "inv"})),
        (log.starting(), ("starting", {})),
        (log.resuming("a b/x_iter_5.solverstate"), ("resuming", {"path": "a b/x_iter_5.solverstate"})),
        (log.finetuning("w.caffemodel"), ("finetuning", {"path": "w.caffemodel"})),
        (log.testing(100, 1), ("testing", {"iter": 100, "net": 1})),
        (log.multistep_status(6, 1), ("multistep_status", {"iter": 6, "step": 1})),
        (log.clipping(0.815852, 0.3), ("clipping", {"norm": 0.815852, "clip": 0.3, "factor": 0.367714})),
        (log.snapshotting("s/x_iter_5.caffemodel"), ("snapshotting", {"path": "s/x_iter_5.caffemodel"})),
        (log.snapshotting("x_iter_5.caffemodel.h5"), ("snapshotting", {"path": "x_iter_5.caffemodel.h5"})),
        (
            log.snapshotting_state("x_iter_5.solverstate"),
            ("snapshotting_state", {"path": "x_iter_5.solverstate"}),
        ),
        (log.snapshotting_state("x.solverstate.h5"), ("snapshotting_state", {"path": "x.solverstate.h5"})),
        (log.done(), ("done", {})),
        (log.stopped_early(), ("stopped_early", {})),
    ],
)
def test_every_message_comes_back(emitted: tuple[str, str], expected: tuple[str, dict[str, Any]]) -> None:
    assert log.parse_message(log.line(emitted[1], emitted[0])) == expected


def test_the_prefix_is_glogs() -> None:
    assert re.fullmatch(
        r"I\d{4} \d\d:\d\d:\d\d\.\d{6} [ \d]{4,}\d a\.cpp:1\] text", log.line("text", "a.cpp:1")
    )


def rewritten(kind: str, found: dict[str, Any]) -> tuple[str, str] | None:
    """What our emitter makes of a parsed message; None where the line holds more than its fields."""
    plain = {
        "final": lambda: log.final_iteration(found["iter"], found["loss"]),
        "learning_rate": lambda: log.learning_rate(found["iter"], found["lr"]),
        "multistep_status": lambda: log.multistep_status(found["iter"], found["step"]),
        "testing": lambda: log.testing(found["iter"], found["net"]),
        "test_loss": lambda: log.test_loss(found["loss"]),
        "train_output": lambda: found_output("Train", found),
        "test_output": lambda: found_output("Test", found),
        "snapshotting": lambda: log.snapshotting(found["path"]),
        "snapshotting_state": lambda: log.snapshotting_state(found["path"]),
        "solving": lambda: log.solving(found["name"]),
        "policy": lambda: log.policy(found["policy"]),
        "starting": log.starting,
        "resuming": lambda: log.resuming(found["path"]),
        "finetuning": lambda: log.finetuning(found["path"]),
        "stopped_early": log.stopped_early,
    }
    if kind == "iteration" and "rate" not in found:
        kind = "final"
    return plain[kind]() if kind in plain else None


def test_the_texts_are_real_caffes(shared: Path) -> None:
    """Every line of real Caffe that we can read we write character for character, source and all."""
    seen: set[str] = set()
    for path in sorted((shared / "tools/golden/logs").glob("*.log")):
        for text in path.read_text().splitlines():
            match = re.match(r"I\d{4} [\d:.]+ +\d+ (\S+)\] (.*)", text)
            found = log.parse_message(text) if match else None
            if not match or not found:
                continue
            again = rewritten(*found)
            if again:
                assert again == (match[1], match[2])
                seen.add(found[0])
    assert seen >= {"iteration", "learning_rate", "testing", "test_loss", "train_output", "test_output"}
    assert seen >= {"snapshotting", "snapshotting_state", "solving", "policy", "starting"}
