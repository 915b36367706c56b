"""How a child talks to its parent: events out on a pipe of their own, commands in on standard input; and a log."""
from __future__ import division, print_function

import errno
import json
import math
import os
import select
import sys
import time

import numpy as np


class Pipe(object):
    """Events out, commands in. Neither blocks the training, and neither fails when the parent is gone."""

    def __init__(self, events_fd):
        self.events_fd, self.pending, self.orphaned = events_fd, b"", False

    def send(self, event, iteration, **fields):
        line = json.dumps(plain(dict(fields, v=1, event=event, iter=iteration)), sort_keys=True) + "\n"
        data = line.encode("utf-8")
        try:
            while data:
                data = data[os.write(self.events_fd, data):]
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            self.orphaned = True

    def commands(self, wait=0):
        """The commands that have come since the last call; `wait` so many seconds for the first."""
        while not self.orphaned and select.select([0], [], [], wait)[0]:
            data = os.read(0, 4096)
            self.orphaned = not data
            self.pending += data
            wait = 0
        lines = self.pending.split(b"\n")
        self.pending = lines.pop()
        return [line.strip().decode("ascii", "replace") for line in lines]


def log(message):
    """A line in the engine's log, in glog's form, so that log readers take it for what it says."""
    now = time.time()
    stamp = time.strftime("%m%d %H:%M:%S", time.localtime(now))
    sys.stderr.write("I%s.%06d %5d worker.py:1] %s\n" % (stamp, now % 1 * 1e6, os.getpid(), message))
    sys.stderr.flush()


def plain(value):
    """`value` with nan and infinities as the strings that docs/events.md promises."""
    if isinstance(value, dict):
        return dict((key, plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        value = float(value)
        if math.isnan(value):
            return "nan"
        return value if not math.isinf(value) else "inf" if value > 0 else "-inf"
    return value
