"""What Caffe would log: glog lines on stderr, silenced by GLOG_minloglevel as glog is."""

from __future__ import annotations

import os
import sys

from caffekit.formats import caffe_log


def log(source: str, message: str) -> None:
    """Write one INFO line; `source` is the file and line of BVLC Caffe that prints it."""
    # glog spells its variable in small letters.
    if os.environ.get("GLOG_minloglevel", "0") in ("", "0"):  # noqa: SIM112
        sys.stderr.write(caffe_log.line(message, source) + "\n")
