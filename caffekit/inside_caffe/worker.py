"""The training worker: trains one solver through the pycaffe API and tells its parent what happens.

    PYTHON worker.py JOB.json

Runs under any interpreter in which `import caffe` works (Python 2.7 or 3), so it imports only the standard
library, numpy, caffe and its neighbours in this folder. Events go to the file descriptor that the job
names, commands come on standard input; docs/events.md describes both. Standard error is the engine's log.
The job: solver, events_fd, device (number or null), weights [files], restore (solverstate or null), skip
{data layer: batches}, snapshot_prefix (as the solver resolves it), snapshot, snapshot_format, display,
max_iter, iter_size, test_iter [per test net], best {output, value} or null: of what the best is kept, ranks
{rank, count, uid} or null: as which of several processes this one trains (all but rank 0 only train along),
feeds {data layer: file descriptor its batches come from} (see augmented_data.py).
"""
from __future__ import division, print_function

import json
import math
import os
import signal
import sys
import time

import numpy as np

from blobs import dead_share, own_params, sum_of_squares
from talk import Pipe, log
from together import follow, load, train_along

STUCK = 87.33654  # -log(FLT_MIN): the softmax probability of the true class underflowed
STUCK_TOLERANCE = 1e-3
VERDICT_SECONDS = 2  # so long the training waits for what the parent says to an event


class Leave(Exception):
    """Raised inside a callback to leave the solver's loop."""

    def __init__(self, reason, snapshot):
        Exception.__init__(self, reason)
        self.reason, self.snapshot = reason, snapshot


class Worker(object):
    """One training: the solver, what is watched in it, and the books since the last display."""

    def __init__(self, job, caffe):
        self.job, self.pipe = job, Pipe(job["events_fd"])
        self.solver = solver = caffe.get_solver(str(job["solver"]))
        load(job, solver)
        train_along(job, solver, caffe)
        self.net = net = solver.net
        self.blobs = net.blobs
        self.outputs = list(net.outputs)
        weights = net.blob_loss_weights
        self.losses = [(name, float(weights[name])) for name in self.blobs if weights[name]]
        self.relus = [(name, net.top_names[name][0]) for name, layer in zip(net._layer_names, net.layers) if layer.type == "ReLU"]
        self.params = own_params(net)
        self.start = self.snapshotted = solver.iter
        self.best = (job["best"] or {}).get("value")
        self.asked_to_stop, self.sub_losses, self.answers = False, [], []
        self.alarmed, self.display_time = False, time.time()
        self.clear_books()
        for index, test_net in enumerate(solver.test_nets):
            self.watch_test(index, test_net)
        if job["iter_size"] > 1:
            last = len(net.layers) - 1
            net.after_forward(lambda layer: self.sub_losses.append(self.read_losses()) if layer == last else None)
        solver.add_callback(self.on_start, self.on_gradients_ready)

    def send(self, event, **fields):
        self.pipe.send(event, self.solver.iter, **fields)

    # --- the loop -------------------------------------------------------------------------------------

    def run(self):
        """Train to max_iter by one solve(): one step(max_iter - iter), then the last snapshot, display and test.

        Not slices of step(): average_loss would lose its window at each. solve() rather than step(), because
        it also ends as `caffe train` ends, with its log lines in their order. Raising in a callback or hook
        leaves either cleanly in BVLC Caffe 1.0, within a test pass too, and snapshot() works afterwards.
        """
        reason = "done"
        try:
            self.poll()
            self.solver.solve()
            self.note_snapshot()
        except Leave as leave:
            reason = leave.reason
            log("Optimization stopped early.")
            if leave.snapshot:
                self.snapshot()
        self.send("end", reason=reason)

    def on_start(self):
        self.note_snapshot()
        self.poll()

    def on_gradients_ready(self):
        losses = self.sub_losses or [self.read_losses()]
        self.sub_losses = []
        loss = sum(self.weighted(each) for each in losses) / len(losses)
        self.count(loss, losses)
        if self.job["display"] and self.solver.iter % self.job["display"] == 0:
            self.display(loss)
        elif self.nonfinite and not self.alarmed:
            self.alarmed = True
            self.alarm(loss)
        self.poll()

    def ask(self, event, **fields):
        """Send an event and wait for the answer: no update follows before the parent has judged it."""
        self.send(event, **fields)
        self.answers += self.pipe.commands(VERDICT_SECONDS)

    def poll(self):
        """Obey what the parent, or a signal, has asked for."""
        commands, self.answers = self.answers + self.pipe.commands(), []
        for command in commands:
            if command == "snapshot":
                self.snapshot()
            elif command == "abort":
                raise Leave("stopped", snapshot=False)
            elif command == "stop":
                self.asked_to_stop = True
        if self.asked_to_stop:
            raise Leave("stopped", snapshot=True)
        if self.pipe.orphaned:
            raise Leave("orphaned", snapshot=True)

    # --- what is seen -----------------------------------------------------------------------------------

    def read_losses(self):
        return [self.blobs[name].data.ravel().tolist() for name, _ in self.losses]

    def weighted(self, values):
        return sum(weight * sum(each) for (_, weight), each in zip(self.losses, values))

    def clear_books(self):
        self.iters = self.nonfinite = self.saturated = 0
        self.loss_max = None

    def count(self, loss, losses):
        self.iters += 1
        # No comparison with a nan is true, so the first one stays the maximum.
        if self.loss_max is None or loss > self.loss_max or math.isnan(loss):
            self.loss_max = loss
        if math.isnan(loss) or math.isinf(loss):
            self.nonfinite += 1
        if any(abs(value - STUCK) < STUCK_TOLERANCE for values in losses for each in values for value in each):
            self.saturated += 1

    def values(self, net, names):
        return dict((name, net.blobs[name].data.ravel().tolist()) for name in names)

    def alarm(self, loss):
        """Tell it, and write it to the log too: the training may end before Caffe displays it."""
        outputs = self.values(self.net, self.outputs)
        log("Iteration %d (0 iter/s, 0s/%d iters), loss = %g" % (self.solver.iter, self.iters, loss))
        weights, number = dict(self.losses), 0
        for name in self.outputs:
            for value in outputs[name]:
                weight = weights.get(name, 0)
                counts = " (* %g = %g loss)" % (weight, weight * value) if weight else ""
                log("    Train net output #%d: %s = %g%s" % (number, name, value, counts))
                number += 1
        self.ask("alarm", loss=loss, outputs=outputs)

    def display(self, loss):
        now = time.time()
        grads, bad_grads = sum_of_squares(blob.diff for blob in self.params)
        weights, bad_weights = sum_of_squares(blob.data for blob in self.params)
        outputs = self.values(self.net, self.outputs)
        bad_outputs = sum(1 for each in outputs.values() for value in each if math.isnan(value) or math.isinf(value))
        since = {"iters": self.iters, "loss_max": self.loss_max, "nonfinite": self.nonfinite, "saturated": self.saturated}
        self.ask(
            "display", loss=loss, lr=getattr(self.solver, "lr", None), outputs=outputs,
            grad_norm=math.sqrt(grads), weight_norm=math.sqrt(weights),
            nonfinite={"outputs": bad_outputs, "grads": bad_grads, "weights": bad_weights},
            dead=dict((name, dead_share(self.blobs[blob].data)) for name, blob in self.relus),
            since=since, seconds=now - self.display_time)
        self.display_time, self.alarmed = now, False
        self.clear_books()

    def watch_test(self, index, net):
        """Sum the outputs of each batch of a test pass as Caffe does (float32), and tell the means."""
        last, rounds, sums, done = len(net.layers) - 1, self.job["test_iter"][index], {}, [0]
        weights = net.blob_loss_weights

        def before(layer):
            if layer == 0:
                self.note_snapshot()
                self.poll()

        def after(layer):
            if layer != last:
                return
            for name in net.outputs:
                sums[name] = sums.get(name, 0) + net.blobs[name].data.ravel()
            done[0] += 1
            if done[0] == rounds:
                means = dict((name, (total / np.float32(rounds)).tolist()) for name, total in sums.items())
                self.send("test", net=index, outputs=means,
                          losses=dict((name, float(weights[name])) for name in net.outputs if weights[name]))
                sums.clear()
                done[0] = 0
                if index == 0:
                    self.keep_best(means, bool(weights.get((self.job["best"] or {}).get("output"))))

        net.before_forward(before)
        net.after_forward(after)

    # --- snapshots --------------------------------------------------------------------------------------

    def keep_best(self, means, lower):
        """Snapshot the weights that have just been tested, when they are the best so far."""
        best = self.job["best"]
        if not best or best["output"] not in means or self.solver.iter == self.start:
            return
        value = means[best["output"]][0]
        if self.best is None or (value < self.best if lower else value > self.best):
            self.best = value
            self.snapshot()

    def snapshot(self):
        if self.snapshotted != self.solver.iter or self.solver.iter == self.start:
            self.solver.snapshot()
            self.tell_snapshot()

    def note_snapshot(self):
        """Tell of the snapshot that the solver itself took after its last update."""
        iteration, every = self.solver.iter, self.job["snapshot"]
        due = iteration >= self.job["max_iter"] or (every and iteration % every == 0)
        if due and self.snapshotted != iteration and os.path.exists(self.paths()[1]):
            self.tell_snapshot()

    def paths(self):
        suffix = ".h5" if self.job["snapshot_format"] == "HDF5" else ""
        stem = "%s_iter_%d" % (self.job["snapshot_prefix"], self.solver.iter)
        return stem + ".caffemodel" + suffix, stem + ".solverstate" + suffix

    def tell_snapshot(self):
        self.snapshotted = self.solver.iter
        model, state = self.paths()
        self.ask("snapshot", model=model, state=state, finite=not sum_of_squares(blob.data for blob in self.params)[1])

    def tell_start(self, caffe):
        job, net = self.job, self.net
        tops = net.top_names[net._layer_names[0]]
        shape = self.blobs[tops[0]].data.shape if tops else ()
        self.send(
            "start", max_iter=job["max_iter"], display=job["display"], caffe=str(getattr(caffe, "__version__", "unknown")),
            device="cpu" if job["device"] is None else "gpu %d" % job["device"], losses=dict(self.losses),
            relus=[name for name, _ in self.relus], parameters=int(sum(blob.data.size for blob in self.params)),
            batch_size=int(shape[0]) * (job.get("ranks") or {"count": 1})["count"] if shape else None)


def main(path):
    with open(path) as file:
        job = json.load(file)
    worker = None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and says what to do
    try:
        import caffe

        if job["device"] is None:
            caffe.set_mode_cpu()
        else:
            caffe.set_mode_gpu()
            caffe.set_device(job["device"])
        if job.get("feeds"):
            import augmented_data

            augmented_data.FEEDS.update((str(name), fd) for name, fd in job["feeds"].items())
        if job.get("ranks"):
            caffe.set_solver_count(job["ranks"]["count"])
            caffe.set_solver_rank(job["ranks"]["rank"])
            caffe.set_multiprocess(True)
            if job["ranks"]["rank"]:
                return follow(job, caffe)
        worker = Worker(job, caffe)
        signal.signal(signal.SIGTERM, lambda *_: setattr(worker, "asked_to_stop", True))
        worker.tell_start(caffe)
        worker.run()
    except Exception as error:
        if "events_fd" not in job:
            raise
        iteration = worker.solver.iter if worker else 0
        Pipe(job["events_fd"]).send("error", iteration, kind=type(error).__name__, message=str(error))
        raise


if __name__ == "__main__":
    main(sys.argv[1])
