"""The name `caffe` for our module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_caffe_is_ours_only_where_no_other_was_imported(tmp_path: Path) -> None:
    """In a fresh process: `import caffe` works after alias_caffe, submodules too, all the same objects."""
    (tmp_path / "caffe.py").write_text("mine = True\n")
    code = """
import sys
import caffekit.pycaffe
from caffekit.pycaffe.alias import alias_caffe
if sys.argv[1] == "other":
    import caffe
    alias_caffe()
    assert caffe.mine and sys.modules["caffe"] is caffe
else:
    alias_caffe()
    import caffe, caffe.draw, caffe.coord_map, caffe.proto.caffe_pb2
    from caffe import layers as L, params as P
    from caffe._caffe import Net
    from caffe.pycaffe import SGDSolver
    assert caffe is caffekit.pycaffe and caffe.io is sys.modules["caffekit.pycaffe.io"]
    assert caffe.draw is sys.modules["caffekit.pycaffe.draw"]
    assert L.ReLU and P.Pooling.MAX == 0
"""
    for case in ("ours", "other"):
        subprocess.run([sys.executable, "-c", code, case], check=True, cwd=tmp_path)
