"""Run a script in which `caffe` is caffekit.pycaffe: python -m caffekit.engines.embedded_child SCRIPT ARGS.

Only ever in a child process: the user's own process keeps whatever `caffe` it has.
"""

from __future__ import annotations

import os
import runpy
import sys

import caffekit.pycaffe as caffe


def main() -> None:
    """Alias the modules, then run the script as if it had been started itself."""
    ours = caffe.__name__
    for name, module in list(sys.modules.items()):
        if name == ours or name.startswith(ours + "."):
            sys.modules["caffe" + name[len(ours) :]] = module
    del sys.argv[0]
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
