"""Says what enters a net: PYTHON entry.py JOB.json, a list of runs of nets' heads.

A run: net, weights (or null), blob, out. Its net is run once and the blob saved to the .npy `out`. Where
there is an `input`, the .npy of a batch, it is put into the net's Input; with `raw` (pixels), it first goes
through caffe.io.Transformer with the run's mean and scale, the way by which people deploy with pycaffe.
"""
from __future__ import division, print_function

import json
import sys

import numpy as np


def transformed(caffe, run, batch):
    """The batch (n, h, w, c) of pixels as Caffe's own Transformer prepares it for a net."""
    transformer = caffe.io.Transformer({"data": (1, batch.shape[3]) + batch.shape[1:3]})
    transformer.set_transpose("data", (2, 0, 1))
    if run["mean"]:
        transformer.set_mean("data", np.array(run["mean"], np.float32))
    transformer.set_input_scale("data", np.float32(run["scale"]))
    return np.stack([transformer.preprocess("data", image) for image in batch])


def entering(caffe, run):
    """The blob of one run."""
    given = [str(run[key]) for key in ("net", "weights") if run[key]]
    net = caffe.Net(*(given + [caffe.TEST]))
    if run["input"]:
        batch = np.load(str(run["input"]))
        if run["raw"]:
            batch = transformed(caffe, run, batch)
        name = list(net.inputs)[0]
        net.blobs[name].reshape(*batch.shape)
        net.reshape()
        net.blobs[name].data[...] = batch
    net.forward()
    return np.array(net.blobs[run["blob"]].data)


def main(path):
    with open(path) as file:
        runs = json.load(file)
    import caffe

    caffe.set_mode_cpu()
    for run in runs:
        np.save(str(run["out"]), entering(caffe, run))


if __name__ == "__main__":
    main(sys.argv[1])
