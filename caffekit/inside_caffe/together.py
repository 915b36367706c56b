"""How a training begins, alone or as one of several processes that share the records and average the gradients."""
from __future__ import division, print_function


def load(job, solver):
    """Weights or state; then on in the data, which Caffe itself would begin again at the first record."""
    for path in job["weights"]:
        for net in [solver.net] + list(solver.test_nets):
            net.copy_from(str(path))
    if job["restore"]:
        solver.restore(str(job["restore"]))
    for index, (name, layer) in enumerate(zip(solver.net._layer_names, solver.net.layers)):
        batches = job["skip"].get(name, 0)
        if batches and hasattr(layer, "skip"):
            layer.skip(batches)
        else:
            for _ in range(batches):
                solver.net._forward(index, index)


def train_along(job, solver, caffe):
    """Where there are other processes: begin with the first one's weights, and average the gradients."""
    ranks = job.get("ranks")
    if ranks:
        nccl = caffe.NCCL(solver, str(ranks["uid"]))
        nccl.bcast()
        solver.add_callback(nccl)
        if solver.param.layer_wise_reduce:
            solver.net.after_backward(nccl)


def follow(job, caffe):
    """A process that only trains along: the first one watches, tests and snapshots."""
    solver = caffe.get_solver(str(job["solver"]))
    load(job, solver)
    train_along(job, solver, caffe)
    solver.step(job["max_iter"] - solver.iter)
