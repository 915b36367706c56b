"""`python -m caffekit.pycaffe script.py`: scripts written for BVLC's pycaffe, unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
import caffe
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
import helper

n = caffe.NetSpec()
n.data = L.Input(input_param=dict(shape=dict(dim=[2, 3])))
n.ip = L.InnerProduct(n.data, num_output=4, weight_filler=dict(type="xavier"))
open(sys.argv[1], "w").write(str(n.to_proto()))
net = caffe.Net(sys.argv[1], caffe.TEST)
net.blobs["data"].data[...] = 1
print(helper.NAME, net.forward()["ip"].shape, __name__, len(sys.argv))
"""


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "caffekit.pycaffe", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_script_finds_caffe_its_neighbours_and_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "helper.py").write_text("NAME = 'beside'")
    done = _run(tmp_path / "script.py", tmp_path / "net.prototxt")
    assert done.stdout == "beside (2, 4) __main__ 2\n", done.stderr


def test_without_a_script_it_says_how() -> None:
    done = _run()
    assert done.returncode == 2
    assert "python -m caffekit.pycaffe script.py" in done.stdout
    missing = _run("nowhere.py")
    assert (missing.returncode, missing.stderr) == (2, "no such script: nowhere.py\n")
