"""Whole logs: every damage that real ones have, and no crash on any bytes."""

from __future__ import annotations

import gzip
import io
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from caffekit.errors import DataError
from caffekit.formats import caffe_log
from caffekit.formats.log_reader import MAX_METRICS, Log, parse_lines, read_log

TEXT = "\n".join(
    caffe_log.line(message, source)
    for source, message in [
        caffe_log.solving("toy"),
        caffe_log.testing(0, 0),
        caffe_log.net_output("Test", 0, "accuracy", 0.1),
        caffe_log.net_output("Test", 1, "loss", 2.3, 1),
        caffe_log.iteration(0, 0, 0.0, 10, 2.3),
        caffe_log.net_output("Train", 0, "loss", 2.3, 1),
        caffe_log.learning_rate(0, 0.01),
        caffe_log.snapshotting("s/toy_iter_10.caffemodel"),
        caffe_log.snapshotting_state("s/toy_iter_10.solverstate"),
        caffe_log.iteration(10, 10, 2.0, 10, 1.5),
        caffe_log.net_output("Train", 0, "loss", 1.6, 1),
        caffe_log.learning_rate(10, 0.01),
        caffe_log.done(),
    ]
)


def shape(log: Log) -> dict[str, Any]:
    return {
        "train": [(row.iter, row.loss, row.lr, row.outputs, row.weights) for row in log.train],
        "test": [(row.iter, row.net, row.outputs) for row in log.test],
        "rest": (log.name, log.snapshots, log.ended, log.fatals),
    }


WHOLE = {
    "train": [
        (0, 2.3, 0.01, {(0, "loss"): 2.3}, {(0, "loss"): 1.0}),
        (10, 1.5, 0.01, {(0, "loss"): 1.6}, {(0, "loss"): 1.0}),
    ],
    "test": [(0, 0, {(0, "accuracy"): 0.1, (1, "loss"): 2.3})],
    "rest": ("toy", [(10, "s/toy_iter_10.caffemodel")], "done", []),
}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.encode("utf-16"),
        b"\xe4\xc0 no utf-8\n" + TEXT.encode() + b"\n\0\0\0\0",
        gzip.compress(TEXT.encode()),
        TEXT.replace("    Train", "\x1b[32m    Train").replace(" loss)", " loss)\x1b[0m").encode(),
        "\n".join(text.split("] ", 1)[1] for text in TEXT.splitlines()).encode(),
        TEXT.replace("I", " I", 1).encode() + b"\nI0101 10:0",
    ],
    ids=["plain", "crlf", "utf16", "bytes", "gz", "ansi", "no-prefix", "cut"],
)
def test_damage_does_not_matter(data: bytes, tmp_path: Path) -> None:
    assert shape(read_log(written(tmp_path / "a.log", data))) == WHOLE


def test_a_cut_gzip_is_read_up_to_there(tmp_path: Path) -> None:
    packed = gzip.compress((TEXT + "\n" + "noise\n" * 9999).encode())
    assert shape(read_log(written(tmp_path / "a.gz", packed[:-20]))) == WHOLE


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert shape(read_log("-")) == WHOLE


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.log: No such file"):
        read_log(tmp_path / "absent.log")


@pytest.mark.parametrize("seed", range(20))
def test_never_crashes(seed: int, tmp_path: Path) -> None:
    """Bytes at random, and a log with random holes and swaps."""
    draw = random.Random(seed)  # noqa: S311
    read_log(written(tmp_path / "a", draw.randbytes(5000)))
    data = bytearray(TEXT.encode())
    for _ in range(60):
        data[draw.randrange(len(data))] = draw.randrange(256)
    read_log(written(tmp_path / "b", bytes(data)))
    lines = TEXT.splitlines()
    draw.shuffle(lines)
    parse_lines(lines)


def test_outputs_of_one_name_are_kept_apart() -> None:
    rows = parse_lines(
        ["Iteration 5, loss = 1", *[f"Train net output #{i}: acc = 0.{i}" for i in (1, 2)]]
    ).train
    assert [rows[0].label(key) for key in rows[0].outputs] == ["acc#1", "acc#2"]


def test_a_flood_of_elements_is_not_kept() -> None:
    flood = [f"Train net output #{i}: label = 0" for i in range(3 * MAX_METRICS)]
    last = f"Train net output #{3 * MAX_METRICS}: loss = 2 (* 1 = 2 loss)"
    [row] = parse_lines(["Iteration 5, loss = 2", *flood, last]).train
    assert len(row.outputs) == MAX_METRICS + 1
    assert row.outputs[(3 * MAX_METRICS, "loss")] == 2


def test_glued_lines_and_console_wraps() -> None:
    glued = "Iteration 7, Testing net (#1)    Test net output #0: a = 1.5"
    glued += "    Test net output #1: b = 2 (* 1 = 2 loss)"
    [row] = parse_lines([glued]).test
    assert (row.iter, row.net, row.outputs) == (7, 1, {(0, "a"): 1.5, (1, "b"): 2.0})
    wrapped = caffe_log.line(
        "    Train net output #0: loss = 0.71             298 (* 1 = 0.71             298 loss)"
    )
    [train] = parse_lines(["Iteration 1, loss = 1", wrapped]).train
    assert train.outputs == {(0, "loss"): 0.71298}


def test_of_interleaved_ranks_the_first_is_read() -> None:
    lines = [
        f"[{rank}] {caffe_log.line(f'Iteration {it}, loss = 1')}" for rank, it in [(5, 10), (9, 3), (5, 20)]
    ]
    assert [row.iter for row in parse_lines(lines).train] == [10, 20]


def test_seconds_cross_midnight_and_new_year() -> None:
    lines = [
        "I1231 23:59:59.500000 1 a] Iteration 1, loss = 1",
        "I0101 00:00:01.500000 1 a] Iteration 2, loss = 1",
    ]
    log = parse_lines(lines)
    assert [row.seconds for row in log.train] == [0, 2]


def test_the_log_quotes_solver_and_net(shared: Path) -> None:
    log = read_log(shared / "tools/golden/logs/train_basic.log")
    assert "base_lr: 0.5" in log.solver_text
    assert 'type: "SoftmaxWithLoss"' in log.net_text
    assert log.net_text.count("name: ") < 10, "only the train net"


@pytest.mark.parametrize(
    ("text", "fatal"),
    [
        (
            "F0101 10:00:00.000000 1 io.cpp:36] Check failed: fd != -1 (-1 vs. -1) File not found: a",
            "io.cpp:36] Check",
        ),
        ("*** SIGSEGV (@0x0) received by PID 1", "*** SIGSEGV"),
        ("Segmentation fault (core dumped)", "Segmentation fault"),
        ("ValueError: label 10 is outside", "ValueError: label"),
        ("RuntimeError: CUDA out of memory", "RuntimeError: CUDA"),
    ],
)
def test_last_words(text: str, fatal: str) -> None:
    [found] = parse_lines([text]).fatals
    assert found.startswith(fatal)


def test_no_last_words() -> None:
    lines = [
        "E0101 10:00:00.000000 1 net.cpp:721]     [Backward] All net params",
        "Foo is a layer",
        "Could not decode",
    ]
    assert parse_lines(lines).fatals == []
