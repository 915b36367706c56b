"""Run pycaffe's own test-suite (BVLC's python/caffe/test, unmodified) with caffekit.pycaffe as `caffe`.

    python tests/pycaffe/own_suite.py FOLDER

What its age needs stands here: names that unittest lost in Python 3.12, and modules that may be absent: six,
and pydot, of which a stand-in without Graphviz is enough for the test of draw. Exit status 0: all passed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import types
import unittest
from typing import Any

from caffekit.pycaffe.alias import alias_caffe

RENAMED = {
    "assertEquals": "assertEqual",
    "assertRaisesRegexp": "assertRaisesRegex",
    "assertRegexpMatches": "assertRegex",
}


class _Part:
    """A node, an edge or a whole graph."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.parts: list[Any] = []

    def add_node(self, node: _Part) -> None:
        self.parts.append(node)

    add_edge = add_node

    def create(self, format: str) -> bytes:
        return b"a picture"


def _stand_in(name: str, **members: Any) -> None:
    """A module of this name, if none is installed."""
    try:
        __import__(name)
    except ImportError:
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module


def main() -> None:
    """Prepare, run, and leave with 1 if anything failed or was skipped."""
    folder = os.path.abspath(sys.argv[1])
    alias_caffe()
    for old, new in RENAMED.items():
        if not hasattr(unittest.TestCase, old):
            setattr(unittest.TestCase, old, getattr(unittest.TestCase, new))
    _stand_in("six", itervalues=lambda values: iter(values.values()))
    _stand_in("pydot", Dot=_Part, Node=_Part, Edge=_Part)
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)  # its files import each other, and name themselves in prototxts
    suite = unittest.defaultTestLoader.discover(folder, top_level_dir=folder)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # the solver's test writes snapshots
        result = unittest.TextTestRunner(verbosity=2).run(suite)
        os.chdir(folder)
    sys.exit(not result.wasSuccessful() or bool(result.skipped))


if __name__ == "__main__":
    main()
