# -*- coding: utf-8 -*-
"""Runs prototxts once forward and backward under any module that plays `caffe`, and stores what came out.

    PYTHON_WITH_CAFFE tests/pycaffe/zoo_case.py OUT.npz NET.prototxt…

Parameters are as the fillers made them from seed 1701; inputs are random, the same for every engine; a blob
`label` holds zeros and ones. Stored: each output, the sum of |gradient| of each parameter, and |parameter|.
Runs under Python 3.9 with numpy 1.19, where real Caffe lives.
"""

import os
import sys

import numpy as np


def run_net(caffe, path):
    """{name: array} of one net."""
    caffe.set_random_seed(1701)
    with open(path) as file:
        phase = caffe.TRAIN if "phase: TRAIN" in file.read() else caffe.TEST
    net = caffe.Net(path, phase)
    random = np.random.RandomState(3)
    for name in net.inputs:
        shape = net.blobs[name].data.shape
        if name.startswith(("label", "sim")):
            net.blobs[name].data[...] = random.randint(0, 2, shape)
        elif name.startswith(("clip", "cont")):
            net.blobs[name].data[...] = 1
        else:
            net.blobs[name].data[...] = random.uniform(-1, 1, shape)
    last = len(net.layers) - 1
    out = {"loss": np.float32(net._forward(0, last))}
    for name in net.outputs:
        out["out/" + name] = np.array(net.blobs[name].data)
    net._backward(last, 0)
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            out["param/%s/%d" % (layer, i)] = np.float64(np.abs(blob.data).sum(dtype=np.float64))
            out["diff/%s/%d" % (layer, i)] = np.float64(np.abs(blob.diff).sum(dtype=np.float64))
    return out


if __name__ == "__main__":
    os.environ.setdefault("GLOG_minloglevel", "2")
    import caffe

    found = {}
    for net_path in sys.argv[2:]:
        for key, value in run_net(caffe, net_path).items():
            found[os.path.basename(net_path) + ":" + key] = value
    np.savez_compressed(sys.argv[1], **found)
