"""Run a script that was written for BVLC's pycaffe, as it is, on this engine.

    python -m caffekit.pycaffe script.py [argument …]

In the script `import caffe` gives caffekit.pycaffe.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from caffekit.pycaffe.alias import alias_caffe


def main() -> None:
    """Run sys.argv[1] as `python script.py …` would."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        raise SystemExit(0 if len(sys.argv) > 1 else 2)
    del sys.argv[0]
    if not Path(sys.argv[0]).is_file():
        print(f"no such script: {sys.argv[0]}", file=sys.stderr)
        raise SystemExit(2)
    alias_caffe()
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
