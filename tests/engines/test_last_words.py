"""What is left of a process that died, in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.engines.last_words import last_words, readable

PROTOBUF = (
    "[libprotobuf ERROR text_format.cc:317] Error parsing text-format caffe.NetParameter: 4:1: x\n"
    "F1124 10:00:00.1   12 upgrade_proto.cpp:90] Check failed: Read(f, p) Failed: net.txt\n"
    "*** Check failure stack trace: ***\n"
)


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (
            -6,
            "I1124 x\nF1124 10:00:00.1   12 io.cpp:72] Check failed: ok \n*** trace",
            "Check failed: ok [io.cpp:72]",
        ),
        (-6, PROTOBUF, "Failed: net.txt (Error parsing text-format caffe.NetParameter: 4:1: x)"),
        (-9, "I1124 x\n", "out of memory"),
        (-11, "", "memory fault"),
        (-15, "", "signal 15"),
        (1, "Traceback\n  File x\nRuntimeError: no such layer\n", "RuntimeError: no such layer"),
        (1, "ModuleNotFoundError: No module named 'caffe'\n", "No module named 'caffe'"),
        (127, "sh: 1: python2: command not found\n", "python2: command not found"),
        (3, "nothing useful", "exit code 3"),
    ],
)
def test_readable(code: int, text: str, words: str) -> None:
    said = readable(code, text)
    assert words in said
    assert "\n" not in said


def test_only_this_attempts_part_of_the_log_counts(tmp_path: Path) -> None:
    log = tmp_path / "caffe.log"
    log.write_text("F1124 10:00:00.1 1 old.cpp:1] Check failed: old\n")
    start = log.stat().st_size
    with open(log, "a") as file:
        file.write("I1124 fine so far\n")
    assert "old" in last_words(-9, log)
    assert "signal 9" in last_words(-9, log, start)
