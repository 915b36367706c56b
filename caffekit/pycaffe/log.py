"""What Caffe would log: glog lines on stderr, silenced by GLOG_minloglevel as glog is."""

from __future__ import annotations

import os
import sys
from typing import Any

from caffekit.formats import caffe_log
from caffekit.formats.prototxt_text import debug_string
from caffekit.pycaffe.mode import solver_rank

LEVELS = {"I": 0, "W": 1, "E": 2}
"""glog's severities; GLOG_minloglevel names the lowest one that is written."""

LONGEST = 29998
"""Where glog cuts a message off, a large net's prototxt for one."""


def is_logged(severity: str = "I") -> bool:
    """Whether lines of this severity are written; of processes that train together, by the first only."""
    # glog spells its variable in small letters.
    least = os.environ.get("GLOG_minloglevel", "0")  # noqa: SIM112
    return LEVELS[severity] >= (int(least) if least.isdigit() else 0) and solver_rank() == 0


def log(source: str, message: str, severity: str = "I") -> None:
    """Write one line; `source` is the file and line of BVLC Caffe that prints it."""
    if is_logged(severity):
        _write(caffe_log.line(message, source, severity))


def log_message(source: str, title: str, message: Any) -> None:
    """Write `title` and, below it, a protobuf message as C++ prints it."""
    if is_logged():
        _write(caffe_log.line(title, source) + "\n" + debug_string(message))


def _write(text: str) -> None:
    text = text[:LONGEST]
    sys.stderr.write(text if text.endswith("\n") else text + "\n")


def log_creating(layer: str) -> None:
    """A layer object is made: every layer of a net, and those that some layers keep inside."""
    log("layer_factory.hpp:77", f"Creating layer {layer}")


_CLASSES = {"f": ("hdf5.cpp:33", "H5T_FLOAT"), "i": ("hdf5.cpp:36", "H5T_INTEGER")}
_logged_classes: set[str] = set()


def log_hdf5_class(kind: str = "f") -> None:
    """The class of a dataset that is read, by numpy's letter; each once in a process, as in Caffe."""
    kind = kind.replace("u", "i")
    if kind not in _logged_classes:
        _logged_classes.add(kind)
        source, name = _CLASSES[kind]
        log(source, f"Datatype class: {name}")
