"""Scores batches with a deploy net through the pycaffe API: PYTHON scorer.py JOB.json.

The job: net, weights, device (number or null), out_fd. On standard input come batches, each one line of
JSON {"shape": [n, c, h, w]} followed by the float32 values; for each, one line {"shape": [n, k]} and the
values of the net's output go to out_fd. The first line out says {"input": shape, "output": name}.
"""
from __future__ import division, print_function

import json
import os
import sys

import numpy as np


def read_batch(stream):
    """The next batch, or None at the end."""
    line = stream.readline()
    if not line:
        return None
    shape = json.loads(line.decode("ascii"))["shape"]
    size = 4 * int(np.prod(shape))
    data = stream.read(size)
    if len(data) < size:
        return None
    return np.frombuffer(data, np.float32).reshape(shape)


def write(stream, values):
    stream.write((json.dumps({"shape": list(values.shape)}) + "\n").encode("ascii"))
    stream.write(np.ascontiguousarray(values, np.float32).tobytes())
    stream.flush()


def output_of(net):
    """The output to take: the first softmax's, else the first one."""
    types = dict(zip(net._layer_names, [layer.type for layer in net.layers]))
    tops = [top for name in net._layer_names if types[name] == "Softmax" for top in net.top_names[name]]
    return ([name for name in net.outputs if name in tops] or list(net.outputs))[0]


def main(path):
    with open(path) as file:
        job = json.load(file)
    import caffe

    if job["device"] is None:
        caffe.set_mode_cpu()
    else:
        caffe.set_mode_gpu()
        caffe.set_device(job["device"])
    net = caffe.Net(str(job["net"]), str(job["weights"]), caffe.TEST)
    if not list(net.inputs):
        raise ValueError("%s has no Input layer: give the deploy net" % job["net"])
    name, output = list(net.inputs)[0], output_of(net)
    stdin = getattr(sys.stdin, "buffer", sys.stdin)
    with os.fdopen(job["out_fd"], "wb") as out:
        shape = [int(side) for side in net.blobs[name].data.shape]
        out.write((json.dumps({"input": shape, "output": output}) + "\n").encode("ascii"))
        out.flush()
        batch = read_batch(stdin)
        while batch is not None:
            net.blobs[name].reshape(*batch.shape)
            net.reshape()
            net.blobs[name].data[...] = batch
            net.forward()
            write(out, net.blobs[output].data.reshape(len(batch), -1))
            batch = read_batch(stdin)


if __name__ == "__main__":
    main(sys.argv[1])
