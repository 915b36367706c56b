"""The grammar of Caffe's log, once: what is written and what is read stand side by side.

Texts and line numbers are BVLC Caffe 1.0's; what other versions and forks print differently is in the
pattern only. Writing: each function returns `(source, message)`; `line()` adds glog's prefix.
Reading: `parse_message()` finds the message in a line whatever its prefix.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from typing import Any

Emitted = tuple[str, str]
Fields = dict[str, Any]

# Every number a Caffe has printed, nan with any sign, and what Microsoft's compilers make of them.
NUMBER = r"[-+]?(?:\d+(?:\.#\w+|\.\d*)?(?:[eE][-+]?\d+)?|[nN]a[nN](?:\(\w+\))?|[iI]nf(?:inity)?)"


def number(x: float) -> str:
    """`x` as a C++ ostream prints it: six digits, nan, -nan, inf, -inf."""
    if math.isnan(x):
        return "-nan" if math.copysign(1, x) < 0 else "nan"
    return f"{x:g}"


def to_float(text: str) -> float:
    """The value of a NUMBER token; the sign of a nan is kept."""
    try:
        return float(text)
    except ValueError:
        value = math.inf if "INF" in text.upper() else math.nan
        return -value if text.startswith("-") else value


def line(message: str, source: str = "solver.cpp:239", severity: str = "I") -> str:
    """One glog line without its newline: `I1124 08:30:00.123456 12345 solver.cpp:239] message`."""
    now = time.time()
    stamp = time.strftime("%m%d %H:%M:%S", time.localtime(now))
    return f"{severity}{stamp}.{int(now % 1 * 1e6):06d} {threading.get_native_id():5d} {source}] {message}"


# --- start ---------------------------------------------------------------------------------------------


def solving(name: str) -> Emitted:
    """The train net's name, as training starts."""
    return "solver.cpp:289", f"Solving {name}"


def policy(lr_policy: str) -> Emitted:
    """The learning rate policy, as training starts."""
    return "solver.cpp:290", f"Learning Rate Policy: {lr_policy}"


def starting() -> Emitted:
    """The last line before the first iteration."""
    return "caffe.cpp:239", "Starting Optimization"


def resuming(state: str) -> Emitted:
    """The .solverstate that training goes on from."""
    return "caffe.cpp:235", f"Resuming from {state}"


def finetuning(weights: str) -> Emitted:
    """The .caffemodel that training starts from."""
    return "solver.cpp:72", f"Finetuning from {weights}"


def restoring(state: str) -> Emitted:
    """The .solverstate that solve() was given."""
    return "solver.cpp:296", f"Restoring previous solver status from {state}"


def restoring_history() -> Emitted:
    """The history is about to be taken from a solver state; Caffe says SGDSolver whatever the type."""
    return "sgd_solver.cpp:336", "SGDSolver: restoring history"


def creating_train_net(field: str, source: Any) -> Emitted:
    """The train net is about to be made, from the file or message in this field of the solver."""
    line = {"train_net_param": 88, "train_net": 92, "net_param": 97, "net": 102}[field]
    place = {"train_net": "from train_net file: ", "net": "from net file: "}.get(field)
    text = f"{place}{source}" if place else f"specified in {field}."
    return f"solver.cpp:{line}", f"Creating training net {text}"


def creating_test_net(index: int, field: str, source: Any) -> Emitted:
    """A test net is about to be made."""
    place = {"test_net": f"test_net file: {source}", "net": f"net file: {source}"}.get(field, field)
    return "solver.cpp:190", f"Creating test net (#{index}) specified by {place}"


def prefix_set(prefix: str) -> Emitted:
    """Snapshots go beside the solver, which has no snapshot_prefix."""
    return "upgrade_proto.cpp:1108", f"snapshot_prefix was not specified and is set to {prefix}"


def prefix_in_folder(prefix: str) -> Emitted:
    """Snapshots go into the folder that is the solver's snapshot_prefix."""
    return "upgrade_proto.cpp:1113", f"snapshot_prefix was a directory and is replaced to {prefix}"


START: dict[str, str] = {
    "solving": r"Solving (?P<name>.+)",
    "policy": r"Learning Rate Policy: (?P<policy>\S+)",
    "starting": r"Starting Optimization",
    "resuming": r"Resuming from (?P<path>.+)",
    "finetuning": r"Finetuning from (?P<path>.+)",
}

# --- iterations ----------------------------------------------------------------------------------------


def iteration(it: int, done: int, lapse: float, display: int, loss: float) -> Emitted:
    """The display line: `done` iterations in `lapse` seconds since the last one, and the smoothed loss."""
    rate = number(done / (lapse or 1))
    return (
        "solver.cpp:239",
        f"Iteration {it} ({rate} iter/s, {number(lapse)}s/{display} iters), loss = {number(loss)}",
    )


def final_iteration(it: int, loss: float) -> Emitted:
    """The line of the extra forward pass after the last iteration."""
    return "solver.cpp:327", f"Iteration {it}, loss = {number(loss)}"


def learning_rate(it: int, lr: float) -> Emitted:
    """The learning rate of the update that follows."""
    return "sgd_solver.cpp:112", f"Iteration {it}, lr = {number(lr)}"


def multistep_status(it: int, step: int) -> Emitted:
    """lr_policy multistep has reached its next stepvalue."""
    return "sgd_solver.cpp:50", f"MultiStep Status: Iteration {it}, step = {step}"


def testing(it: int, net: int) -> Emitted:
    """A test net is about to run."""
    return "solver.cpp:347", f"Iteration {it}, Testing net (#{net})"


def test_loss(loss: float) -> Emitted:
    """The mean loss of a test net, with test_compute_loss."""
    return "solver.cpp:401", f"Test loss: {number(loss)}"


def net_output(which: str, index: int, name: str, value: float, weight: float | None = None) -> Emitted:
    """One element of one output of the train or test net; losses with their weight."""
    source = {"train": "solver.cpp:258", "test": "solver.cpp:414"}[which.lower()]
    text = f"    {which.capitalize()} net output #{index}: {name} = {number(value)}"
    if weight is not None:
        text += f" (* {number(weight)} = {number(weight * value)} loss)"
    return source, text


def clipping(norm: float, clip: float) -> Emitted:
    """Gradients are scaled down to clip_gradients."""
    text = f"(L2 norm {number(norm)} > {number(clip)}) by scale factor {number(clip / norm)}"
    return "sgd_solver.cpp:99", f"Gradient clipping: scaling down gradients {text}"


# The name may hold anything (" = ", colons, brackets): it ends at the last " = " before the weight.
_OUTPUT = (
    rf"(?P<index>\d+): (?P<name>[^(]*(?:\((?!\*)[^(]*)*) = (?P<value>{NUMBER})"
    rf"(?: \(\* (?P<weight>{NUMBER}) = {NUMBER} loss\))?"
)
ITERATIONS: dict[str, str] = {
    "iteration": (
        r"Iteration (?P<iter>\d+)"
        rf"(?: \((?:(?P<rate>{NUMBER}) iter/s, )?(?P<lapse>{NUMBER}) ?s(?:/\d+ iters?)?\))?"
        rf", loss = (?P<loss>{NUMBER})"
    ),
    "learning_rate": rf"(?<!Status: )Iteration (?P<iter>\d+), lr = (?P<lr>{NUMBER})",
    "multistep_status": r"MultiStep Status: Iteration (?P<iter>\d+), step = (?P<step>\d+)",
    "testing": r"Iteration (?P<iter>\d+), Testing net(?: \(#(?P<net>\d+)\))?",
    "test_loss": rf"Test loss: (?P<loss>{NUMBER})",
    "train_output": rf"Train net output #{_OUTPUT}",
    "test_output": rf"Test net output #{_OUTPUT}",
    "test_score": rf"Test score #(?P<index>\d+): (?P<value>{NUMBER})",
    "clipping": (
        rf"Gradient clipping: scaling down gradients \(L2 norm (?P<norm>{NUMBER}) > (?P<clip>{NUMBER})\)"
        rf" by scale factor (?P<factor>{NUMBER})"
    ),
}

# --- snapshots and the end -----------------------------------------------------------------------------


def snapshotting(path: str) -> Emitted:
    """The model is about to be written."""
    if str(path).endswith(".h5"):
        return "solver.cpp:474", f"Snapshotting to HDF5 file {path}"
    return "solver.cpp:464", f"Snapshotting to binary proto file {path}"


def snapshotting_state(path: str) -> Emitted:
    """The solver's state is about to be written."""
    if str(path).endswith(".h5"):
        return "sgd_solver.cpp:296", f"Snapshotting solver state to HDF5 file {path}"
    return "sgd_solver.cpp:284", f"Snapshotting solver state to binary proto file {path}"


def done() -> Emitted:
    """Training has reached max_iter."""
    return "solver.cpp:332", "Optimization Done."


def stopped_early() -> Emitted:
    """Training was asked to stop."""
    return "solver.cpp:311", "Optimization stopped early."


END: dict[str, str] = {
    "snapshotting_state": r"Snapshotting solver state to(?: binary proto| HDF5)?(?: file)? ?(?P<path>.+)",
    "snapshotting": r"(?:Snapshotting to(?: binary proto file| HDF5 file)?|Wrote snapshot to:) ?(?P<path>.+)",
    "done": r"Optimization Done(?:\.| in )",
    "stopped_early": r"Optimization stopped early\.",
}

# How a process says that it dies: glog's CHECK, a signal, a Python exception, the shell.
FATAL: dict[str, str] = {
    "fatal": (
        r"(?:^\W*(?:\[\d+\] )?F\d{4} [\d:.]+ +\d+ (?P<source>[^\]\s]+)\] |(?=Check failed: ))(?P<text>.+)"
        r"|(?P<signal>\*\*\* SIG\w+|\*\*\* Aborted at|Segmentation fault|\(core dumped\)|^Killed\b)"
        r"|^(?P<exception>(?:\w+\.)*\w*(?:Error|Exception)): (?P<detail>.+)"
    )
}

_CONVERT: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("iter", "net", "index", "step"), int),
    **dict.fromkeys(("rate", "lapse", "loss", "lr", "value", "weight", "norm", "clip", "factor"), to_float),
    **dict.fromkeys(("path", "name", "policy", "text", "detail"), str.strip),
    **dict.fromkeys(("source", "signal", "exception"), str),
}
PATTERNS = {kind: re.compile(text) for kind, text in {**ITERATIONS, **START, **END, **FATAL}.items()}
# A word that stands in every line of a kind: looked for first, because most lines of a log are none.
NEEDLES: dict[str, tuple[str, ...]] = {
    "Iteration": ("iteration", "learning_rate", "testing", "multistep_status"),
    "net output #": ("train_output", "test_output"),
    "Test ": ("test_loss", "test_score"),
    "Gradient clipping": ("clipping",),
    "napshot": ("snapshotting_state", "snapshotting"),
    "Optimization": ("done", "stopped_early", "starting"),
    "Solving ": ("solving",),
    "Policy": ("policy",),
    " from ": ("resuming", "finetuning"),
    "Check failed: ": ("fatal",),
    "***": ("fatal",),
    "Segmentation fault": ("fatal",),
    "core dumped": ("fatal",),
    "Killed": ("fatal",),
    "Error: ": ("fatal",),
    "Exception: ": ("fatal",),
}


def parse_message(text: str) -> tuple[str, Fields] | None:
    """The kind of message in `text` (a log line, with or without prefix) and its fields, or None."""
    if text.lstrip()[:1] == "F" and (match := PATTERNS["fatal"].match(text)):
        return "fatal", _fields(match)
    for needle, kinds in NEEDLES.items():
        if needle in text:
            for kind in kinds:
                match = PATTERNS[kind].search(text)
                if match:
                    return kind, _fields(match)
    return None


def _fields(match: re.Match[str]) -> Fields:
    return {key: _CONVERT[key](text) for key, text in match.groupdict().items() if text is not None}
