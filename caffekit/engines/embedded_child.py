"""Run a script in which `caffe` is caffekit.pycaffe: python -m caffekit.engines.embedded_child SCRIPT ARGS.

Only ever in a child process: the user's own process keeps whatever `caffe` it has.
"""

from __future__ import annotations

import os
import runpy
import sys

from caffekit.pycaffe.alias import alias_caffe
from caffekit.pycaffe.mode import set_compile, set_precision, set_spare_memory


def main() -> None:
    """Alias the modules, then run the script as if it had been started itself."""
    alias_caffe()
    set_spare_memory(True)
    set_precision(os.environ.get("CAFFEKIT_PRECISION", "float32"))
    set_compile(os.environ.get("CAFFEKIT_COMPILE") == "1")
    del sys.argv[0]
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
