"""Run under real Caffe and under caffekit.pycaffe: two steps, a test and a deploy forward of each net."""

import json
import sys

import caffe
import numpy as np

for folder in sys.argv[1:]:
    solver = caffe.get_solver(folder + "/solver.prototxt")
    net = solver.net
    losses = []
    for _ in range(2):
        solver.step(1)
        losses.append(float(net.blobs["loss"].data))
    tested = solver.test_nets[0].forward()
    deploy = caffe.Net(folder + "/deploy.prototxt", caffe.TEST)
    out = deploy.forward()
    print(json.dumps({
        "losses": losses,
        "test": {name: float(np.mean(value)) for name, value in tested.items()},
        "deploy": {name: list(value.shape) for name, value in out.items()},
        "parameters": {name: [list(b.data.shape) for b in blobs] for name, blobs in net.params.items()},
        "moved": [name for name, blobs in net.params.items() if any(np.any(b.diff) for b in blobs)],
    }))  # fmt: skip
