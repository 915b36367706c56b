# -*- coding: utf-8 -*-
"""One layer case run forward and backward by any module that plays `caffe`.

Under real Caffe it records what our layers must equal:
    PYTHON_WITH_CAFFE tests/pycaffe/layer_case.py tests/cases/layers/*.prototxt
writes a .npz beside each .prototxt. Inputs, parameters and top gradients are made from a fixed seed, so only
results are stored. Runs under Python 3.9 with numpy 1.19, where real Caffe lives.

A line `# labels: N` in a case makes blob `label` hold integers in 0 … N-1; `# phase: TRAIN` sets the phase;
`# seed: N` seeds Caffe's own random stream and keeps the parameters as the fillers made them.
"""

import os
import re
import sys

import numpy as np


def run_case(caffe, path):
    """{name: array}: every blob's data, and diffs of bottoms and parameters after one backward pass."""
    with open(path) as file:
        text = file.read()
    phase = caffe.TRAIN if "# phase: TRAIN" in text else caffe.TEST
    seed = re.search(r"# seed: (\d+)", text)
    if seed:
        caffe.set_random_seed(int(seed.group(1)))
    net = caffe.Net(path, phase)
    random = np.random.RandomState(7)
    _fill_inputs(net, text, random)
    for blobs in net.params.values() if not seed else []:
        for blob in blobs:
            blob.data[...] = random.uniform(-1, 1, blob.data.shape)
    out = {}
    last = len(net.layers) - 1
    out["loss"] = np.float32(net._forward(0, last))
    for name in net.blobs:
        out["data/" + name] = np.array(net.blobs[name].data)
    for name in net.outputs:
        if not net.blob_loss_weights[name]:
            net.blobs[name].diff[...] = random.uniform(-1, 1, net.blobs[name].diff.shape)
    net._backward(last, 0)
    for name in net.inputs:
        if "# no gradient: " + name not in text:
            out["diff/" + name] = np.array(net.blobs[name].diff)
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            out["diff/%s/%d" % (layer, i)] = np.array(blob.diff)
            if seed:
                out["filled/%s/%d" % (layer, i)] = np.array(blob.data)
    return out


def _fill_inputs(net, text, random):
    labels = re.search(r"# labels: (\d+)", text)
    for name in net.inputs:
        shape = net.blobs[name].data.shape
        if name == "label":
            net.blobs[name].data[...] = random.randint(0, int(labels.group(1)), shape)
        else:
            net.blobs[name].data[...] = random.uniform(-2, 2, shape)


if __name__ == "__main__":
    os.environ.setdefault("GLOG_minloglevel", "1")
    import caffe

    for case in sys.argv[1:]:
        np.savez_compressed(os.path.splitext(case)[0] + ".npz", **run_case(caffe, case))
