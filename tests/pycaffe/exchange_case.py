"""Trainings that stop and go on, in any module that plays `caffe`: who wrote the snapshot must not matter.

    PYTHON tests/pycaffe/exchange_case.py start FOLDER            snapshots after STEPS iterations
    PYTHON tests/pycaffe/exchange_case.py resume FOLDER OUT.npz   the parameters STEPS iterations later

Runs under Python 3.9 with numpy 1.19, where real Caffe lives.
"""

import os
import sys

import numpy as np

STEPS = 10
NET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cases", "solvers", "net.txt")
OPTIONS = {
    "SGD": "base_lr: 0.1 momentum: 0.9",
    "Nesterov": "base_lr: 0.1 momentum: 0.9",
    "AdaGrad": "base_lr: 0.05",
    "RMSProp": "base_lr: 0.01 rms_decay: 0.9",
    "AdaDelta": "base_lr: 1 momentum: 0.95 delta: 1e-6",
    "Adam": "base_lr: 0.01 momentum: 0.9",
}
FORMATS = {"BINARYPROTO": "", "HDF5": ".h5"}


def solver_of(caffe, folder, kind, form):
    """A solver of the given type and snapshot format, in the middle of a multistep policy when it stops."""
    path = os.path.join(folder, "%s_%s.prototxt" % (kind, form))
    with open(path, "w") as file:
        file.write('net: "%s" type: "%s" %s snapshot_format: %s\n' % (NET, kind, OPTIONS[kind], form))
        file.write('lr_policy: "multistep" gamma: 0.5 stepvalue: 4 stepvalue: 13 weight_decay: 0.01\n')
    return caffe.get_solver(path)


def train(solver, first):
    """STEPS iterations on data that the iteration's number gives."""
    for it in range(first, first + STEPS):
        random = np.random.RandomState(it)
        solver.net.blobs["x"].data[...] = random.uniform(-1, 1, (6, 5))
        solver.net.blobs["label"].data[...] = random.randint(0, 4, 6)
        solver.step(1)


def start(caffe, folder):
    """Train each type and format, snapshot."""
    for kind in OPTIONS:
        for form in FORMATS:
            solver, random = solver_of(caffe, folder, kind, form), np.random.RandomState(3)
            for blobs in solver.net.params.values():
                for blob in blobs:
                    blob.data[...] = random.uniform(-1, 1, blob.data.shape)
            train(solver, 0)
            solver.snapshot()


def resume(caffe, folder):
    """{"TYPE/FORMAT/LAYER/I": parameters} of the trainings that went on from the snapshots in `folder`."""
    out = {}
    for kind in OPTIONS:
        for form, suffix in FORMATS.items():
            solver = solver_of(caffe, folder, kind, form)
            solver.restore(os.path.join(folder, "%s_%s_iter_%d.solverstate%s" % (kind, form, STEPS, suffix)))
            train(solver, solver.iter)
            out["%s/%s/iter" % (kind, form)] = np.array(solver.iter)
            for name, blobs in solver.net.params.items():
                for i, blob in enumerate(blobs):
                    out["%s/%s/%s/%d" % (kind, form, name, i)] = np.array(blob.data)
    return out


if __name__ == "__main__":
    import caffe

    if sys.argv[1] == "start":
        start(caffe, sys.argv[2])
    else:
        np.savez(sys.argv[3], **resume(caffe, sys.argv[2]))
