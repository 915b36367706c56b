"""One solver case stepped by any module that plays `caffe`; under real Caffe it records what ours must equal.

    PYTHON_WITH_CAFFE tests/pycaffe/solver_case.py tests/cases/solvers/*.prototxt

Each case is a solver.prototxt; all train the same little net (net.txt) on inputs from a fixed seed.
Runs under Python 3.9 with numpy 1.19, where real Caffe lives.
"""

import os
import sys
import tempfile

import numpy as np

STEPS = 100


def run_case(caffe, path):
    """{"lr": (STEPS,), "loss": (STEPS,), "layer/i": the parameters after STEPS iterations}."""
    net = os.path.join(os.path.dirname(os.path.abspath(path)), "net.txt")
    with open(path) as file, tempfile.NamedTemporaryFile("w", suffix=".prototxt") as solver_file:
        solver_file.write('net: "%s"\n%s' % (net, file.read()))
        solver_file.flush()
        solver = caffe.get_solver(solver_file.name)
    random = np.random.RandomState(3)
    for blobs in solver.net.params.values():
        for blob in blobs:
            blob.data[...] = random.uniform(-1, 1, blob.data.shape)
    out = {"lr": [], "loss": []}
    for _ in range(STEPS):
        solver.net.blobs["x"].data[...] = random.uniform(-1, 1, (6, 5))
        solver.net.blobs["label"].data[...] = random.randint(0, 4, 6)
        out["lr"].append(solver.lr)
        solver.step(1)
        out["loss"].append(float(solver.net.blobs["loss"].data))
    out = {key: np.array(values) for key, values in out.items()}
    for name, blobs in solver.net.params.items():
        for i, blob in enumerate(blobs):
            out["%s/%d" % (name, i)] = np.array(blob.data)
    return out


if __name__ == "__main__":
    os.environ.setdefault("GLOG_minloglevel", "1")
    import caffe

    for case in sys.argv[1:]:
        np.savez_compressed(os.path.splitext(case)[0] + ".npz", **run_case(caffe, case))
