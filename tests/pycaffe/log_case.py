"""One training, run by real Caffe or by ours, and what both logs must have in common.

    python tests/pycaffe/log_case.py tests/cases/training/*/

records each case's caffe.log with the real Caffe of .bvlc-caffe. A case is a folder: run.py (a script for
`import caffe`) and its prototxts; caffe.log is the log without what differs from run to run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NUMBER = re.compile(r"(?<![\w.#])-?(?:\d+(?:\.\d+)?(?:e[-+]\d+)?|nan|inf)(?![\w.])")
SCORES = re.compile(r"I solver.cpp:(?:239|258|327|401|414)\]")
"""Lines of losses and scores."""


def run(case: Path, folder: Path, command: list[str]) -> list[str]:
    """The lines that `command` run.py logs in a copy of the case."""
    return lines(log_of(case, folder, command))


def log_of(case: Path, folder: Path, command: list[str]) -> str:
    """The log of `command` run.py in a copy of the case; AssertionError with its end if it fails."""
    shutil.copytree(case, folder, dirs_exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLOG_minloglevel": "0"}
    ran = subprocess.run([*command, "run.py"], cwd=folder, env=environment, capture_output=True, text=True)
    if ran.returncode:
        raise AssertionError(ran.stderr[-2000:])
    return ran.stderr


def lines(text: str) -> list[str]:
    """The lines of a log without time, thread and speed, and without those of the `caffe` tool itself."""
    found = []
    for line in text.splitlines():
        short = re.sub(r"^([IWEF])\d{4} [\d:.]+ +\d+ ", r"\1 ", line)
        short = re.sub(r"\(\S+ iter/s, \S+s/", "(R iter/s, Ss/", short)
        if not short.startswith("WARNING: Logging before") and "caffe.cpp:" not in short:
            found.append(short)
    return found


def differences(ours: list[str], theirs: list[str], scores: bool = True) -> list[str]:
    """The first lines that differ; numbers may by 1e-4, and without `scores` losses by anything."""
    out = []
    for i in range(max(len(ours), len(theirs))):
        mine, other = (each[i] if i < len(each) else "(no line)" for each in (ours, theirs))
        if not _same(mine, other, scores):
            out.append(f"line {i + 1}: ours {mine!r}, Caffe's {other!r}")
    return out[:5]


def _same(mine: str, other: str, scores: bool) -> bool:
    if mine == other:
        return True
    if NUMBER.sub("#", mine) != NUMBER.sub("#", other):
        return False
    if not scores and SCORES.match(mine):
        return True
    pairs = zip(NUMBER.findall(mine), NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= 1e-4 * abs(float(b)) + 1e-6 for a, b in pairs)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as scratch:
            logged = run(Path(name), Path(scratch), [str(ROOT / ".bvlc-caffe" / "python")])
        (Path(name) / "caffe.log").write_text("\n".join(logged) + "\n")
