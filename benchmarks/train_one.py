"""Train one net on synthetic data in a process of its own; `scripts/bench` compares what this prints.

train_one.py ENGINE NET SECONDS     ENGINE: caffe (real), caffekit, compiled (with
                                     train.compile), torch; prints one line of JSON

{"speed": images/s (the median of the iterations), "memory": MiB of peak memory above the bare import,
"start": seconds from before the import to the end of the first iteration}
Runs under the Python that real Caffe has, too.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time

import nets
import numpy as np


def peak() -> float:
    """MiB of the largest resident set so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def batch(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels, the same for every engine."""
    random = np.random.RandomState(0)
    n = nets.NETS[name]
    images = random.uniform(-1, 1, (n, *nets.shape(name))).astype(np.float32)
    return images, random.randint(0, nets.CLASSES.get(name, 1000), n).astype(np.float32)


def caffe_step(caffe: object, name: str):
    """A function that trains one iteration with a pycaffe module."""
    with tempfile.TemporaryDirectory() as folder:
        net, solver = os.path.join(folder, "net.prototxt"), os.path.join(folder, "solver.prototxt")
        with open(net, "w") as file:
            file.write(nets.prototxt(name))
        with open(solver, "w") as file:
            file.write(nets.SOLVER.format(net=net))
        solver = caffe.SGDSolver(solver)
    images, labels = batch(name)
    solver.net.blobs["data"].data[...] = images
    solver.net.blobs["label"].data[...] = labels
    return lambda: solver.step(1)


def torch_step(torch: object, name: str):
    """A function that trains one iteration of the same net written by hand in PyTorch."""
    import nets_in_torch

    torch.manual_seed(0)
    return nets_in_torch.stepper(name, *map(torch.from_numpy, batch(name)))


def main() -> None:
    """Import, take the memory, then train."""
    kind, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    start = time.monotonic()
    if kind == "torch":
        import torch as module
    elif kind in ("caffekit", "compiled"):
        import caffekit.pycaffe as module
        from caffekit.pycaffe.mode import set_compile, set_spare_memory

        set_spare_memory(True)  # as `caffekit train` does
        set_compile(kind == "compiled")
    else:
        import caffe as module
    bare = peak()
    step = (torch_step if kind == "torch" else caffe_step)(module, name)
    step()
    started = time.monotonic() - start
    times, end = [], time.monotonic() + seconds
    while len(times) < 3 or time.monotonic() < end:
        before = time.monotonic()
        step()
        times.append(time.monotonic() - before)
    speed = nets.NETS[name] / sorted(times)[len(times) // 2]
    print(json.dumps({"speed": speed, "memory": peak() - bare, "start": started}))


if __name__ == "__main__":
    main()
