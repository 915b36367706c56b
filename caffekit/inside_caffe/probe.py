"""Say whether `import caffe` is real here, as one JSON line: PYTHON probe.py [GPU].

With a GPU's number, also use that GPU once: real Caffe aborts where it cannot, which ends only this process.
"""
from __future__ import print_function

import json
import sys

import caffe

found = {"version": str(getattr(caffe, "__version__", "")), "file": str(getattr(caffe, "__file__", ""))}
found["real"] = hasattr(caffe, "Net") and hasattr(caffe, "get_solver")
if found["real"] and len(sys.argv) > 1:
    caffe.set_device(int(sys.argv[1]))
    caffe.set_mode_gpu()
print(json.dumps(found))
