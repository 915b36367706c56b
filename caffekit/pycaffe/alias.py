"""The name `caffe` for this module, so that Python layers written for BVLC Caffe find it."""

from __future__ import annotations

import importlib
import sys

LATE = ("coord_map", "draw")
"""Submodules that, as in pycaffe, only `import caffe.NAME` brings."""
SAME = ("_caffe", "pycaffe")
"""Modules of pycaffe whose contents are all in ours."""


def alias_caffe() -> None:
    """Let `import caffe` (and its submodules) give caffekit.pycaffe for the rest of this process.

    The first Python layer of a process does this, because the user's modules say `import caffe`, possibly
    late. A process that has imported another caffe already keeps it.
    """
    if "caffe" in sys.modules:
        return
    ours = __package__
    for name in LATE:
        importlib.import_module(f"{ours}.{name}")
    for name, module in list(sys.modules.items()):
        if name == ours or name.startswith(ours + "."):
            sys.modules["caffe" + name[len(ours) :]] = module
    for name in SAME:
        sys.modules[f"caffe.{name}"] = sys.modules[ours]
