# -*- coding: utf-8 -*-
"""Some forwards of a net that reads data, run by any module that plays `caffe`.

Under real Caffe it records what our data layers must equal:
    cd INPUTS && PYTHON_WITH_CAFFE …/tests/pycaffe/data_case.py …/tests/cases/data/*.prototxt
writes a .npz beside each .prototxt; INPUTS is made by data_inputs.py. Runs under Python 3.9, where real Caffe
lives.

`# phase: TRAIN` sets the phase, `# seed: N` seeds Caffe, `# forwards: N` is the number of forwards (4).
"""

import os
import re
import sys

import numpy as np


def run_case(caffe, path):
    """{name: array}: parameters, every blob after each forward, and the file that HDF5Output wrote."""
    with open(path) as file:
        text = file.read()
    seed = re.search(r"# seed: (\d+)", text)
    caffe.set_random_seed(int(seed.group(1)) if seed else 1)
    net = caffe.Net(path, caffe.TRAIN if "# phase: TRAIN" in text else caffe.TEST)
    if net.layers[0].type == "MemoryData":
        random = np.random.RandomState(5)
        images, labels = random.uniform(-1, 1, (6, 2, 3, 4)), np.arange(6)
        net.set_input_arrays(images.astype(np.float32), labels.astype(np.float32))
    out = {}
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            out["param %s %d" % (name, i)] = blob.data.copy()
    for name, blob in net.blobs.items():
        out["shape " + name] = np.array(blob.data.shape)
    forwards = re.search(r"# forwards: (\d+)", text)
    for step in range(int(forwards.group(1)) if forwards else 4):
        net.forward()
        for name, blob in net.blobs.items():
            out["%d %s" % (step, name)] = blob.data.copy()
    del net
    if "HDF5Output" in text:
        import h5py

        with h5py.File("out.h5", "r") as file:
            out.update(("file " + name, file[name][...]) for name in file)
    return out


if __name__ == "__main__":
    os.environ.setdefault("GLOG_minloglevel", "2")
    import caffe

    for case in sys.argv[1:]:
        child = os.fork()  # each in a process of its own: nothing ever seeds libc's rand()
        if not child:
            np.savez_compressed(os.path.splitext(case)[0] + ".npz", **run_case(caffe, case))
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit("failed: " + case)
