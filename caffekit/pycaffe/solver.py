"""The solver: Caffe's training loop, its tests and its log (src/caffe/solver.cpp)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caffekit.formats import caffe_log
from caffekit.formats.caffe_pb2 import SolverParameter
from caffekit.formats.prototxt import read_solver
from caffekit.pycaffe import debug_info, solver_nets
from caffekit.pycaffe.log import is_logged, log, log_message
from caffekit.pycaffe.mode import set_random_seed, solver_rank
from caffekit.pycaffe.net import Net
from caffekit.pycaffe.snapshot import check_writable, default_prefix, read_snapshot, write_snapshot
from caffekit.pycaffe.updates import RULES, check_options, check_policy, clip, learning_rate, update

Callback = Callable[[], Any]
Scores = dict[str, NDArray[np.float32]]


class Solver:
    """A solver of the type that its SolverParameter names; takes a solver.prototxt or a SolverParameter.

    Paths inside are relative to the working directory, as in Caffe. ValueError for what BVLC aborts on,
    RuntimeError for a snapshot_prefix where nothing can be written. solver_mode, device_id and
    layer_wise_reduce are for the `caffe` tool: pycaffe takes them and computes where set_mode_* says.
    """

    type = ""

    def __init__(self, solver_file: Any) -> None:
        self.param = param = _parameter(solver_file)
        solver_type = self.type or param.type
        check_options(param, solver_type)
        self.rule, self.histories = RULES[solver_type]
        log_message("solver.cpp:45", "Initializing solver from parameters: ", param)
        check_writable(param)
        if param.random_seed >= 0:
            set_random_seed(param.random_seed + solver_rank())
        self.net = solver_nets.train_net(param)
        self.test_nets = solver_nets.test_nets(param)
        for net in (self.net, *self.test_nets):
            if param.debug_info:
                debug_info.attach(net)
            net.debug_info = param.debug_info  # the train net's only while it displays
        self.iter, self.current_step = 0, 0
        self.history = [torch.zeros_like(blob.value) for blob, *_ in self.net.learnable * self.histories]
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._losses: list[np.float32] = []
        self._smoothed = np.float32(0)
        self._displayed, self._clock = 0, time.monotonic()
        log("solver.cpp:57", "Solver scaffolding done.")

    # --- the loop ---------------------------------------------------------------------------------------

    def step(self, iters: int) -> None:
        """Train for `iters` iterations, each: test, iter_size passes, display, update, snapshot."""
        param, start, stop = self.param, self.iter, self.iter + iters
        check_policy(param)
        self._losses, self._smoothed = [], np.float32(0)
        self._clock = time.monotonic()
        while self.iter < stop:
            self.net.clear_param_diffs()
            due = param.test_interval and self.iter % param.test_interval == 0
            if due and is_root() and (self.iter > 0 or param.test_initialization):
                self._test_all()
            for on_start, _ in self._callbacks:
                on_start()
            display = bool(param.display) and self.iter % param.display == 0
            self.net.debug_info = display and param.debug_info
            loss = sum(self._forward_backward() for _ in range(param.iter_size)) / param.iter_size
            self._smooth(loss, start)
            if display and is_logged():
                self._display()
            for _, on_gradients_ready in self._callbacks:
                on_gradients_ready()
            self.apply_update()
            if param.snapshot and self.iter % param.snapshot == 0 and is_root():
                self.snapshot()

    def solve(self, resume_file: str | None = None) -> None:
        """Train to max_iter, then snapshot, display and test once more, as `caffe train` does."""
        param = self.param
        log(*caffe_log.solving(self.net.name))
        log(*caffe_log.policy(param.lr_policy))
        if resume_file:
            log(*caffe_log.restoring(str(resume_file)))
            self.restore(resume_file)
        start = self.iter
        self.step(param.max_iter - self.iter)
        if param.snapshot_after_train and (not param.snapshot or self.iter % param.snapshot) and is_root():
            self.snapshot()
        if param.display and self.iter % param.display == 0:
            loss = self.net._forward(0, len(self.net.layers) - 1)
            self._smooth(loss, start)
            log(*caffe_log.final_iteration(self.iter, float(self._smoothed)))
        if param.test_interval and self.iter % param.test_interval == 0 and is_root():
            self._test_all()
        log(*caffe_log.done())

    def _forward_backward(self) -> float:
        last = len(self.net.layers) - 1
        self.net._forget()
        loss = self.net._forward(0, last)
        self.net._backward(last, 0)
        if self.net.debug_info:
            debug_info.log_norms(self.net)
        return loss

    def _smooth(self, loss: float, start: int) -> None:
        """The mean of the last average_loss losses, updated as Caffe does (in float32, drift and all)."""
        size, new = self.param.average_loss, np.float32(loss)
        if len(self._losses) < size:
            self._losses.append(new)
            count = np.float32(len(self._losses))
            self._smoothed = (self._smoothed * (count - 1) + new) / count
        else:
            index = (self.iter - start) % size
            self._smoothed += (new - self._losses[index]) / np.float32(size)
            self._losses[index] = new

    def _display(self) -> None:
        now = time.monotonic()
        done, lapse = self.iter - self._displayed, now - self._clock
        log(*caffe_log.iteration(self.iter, done, lapse, self.param.display, float(self._smoothed)))
        self._displayed, self._clock = self.iter, now
        _log_outputs("Train", self.net, _outputs(self.net))

    def _test_all(self) -> None:
        for index, net in enumerate(self.test_nets):
            log(*caffe_log.testing(self.iter, index))
            net.share_with(self.net)
            rounds = self.param.test_iter[index]
            loss, sums = np.float32(0), Scores()
            for _ in range(rounds):
                loss += np.float32(net._forward(0, len(net.layers) - 1, keep_graph=False))
                if is_logged():
                    sums = {name: sums.get(name, 0) + values for name, values in _outputs(net).items()}
            if self.param.test_compute_loss and rounds:
                log(*caffe_log.test_loss(float(loss / rounds)))
            _log_outputs("Test", net, {name: total / rounds for name, total in sums.items()})

    def add_callback(self, on_start: Any, on_gradients_ready: Callback | None = None) -> None:
        """Call `on_start()` before each iteration, `on_gradients_ready()` before each update.

        Or give an NCCL alone, which has both.
        """
        if on_gradients_ready is None:
            on_start, on_gradients_ready = on_start.on_start, on_start.on_gradients_ready
        self._callbacks.append((on_start, on_gradients_ready))

    # --- the update -------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate of the next update; asking steps multistep on, as in pycaffe."""
        param = self.param
        check_policy(param)
        if param.lr_policy == "step":
            self.current_step = self.iter // param.stepsize
        elif param.lr_policy == "multistep":
            steps = param.stepvalue
            if self.current_step < len(steps) and self.iter >= steps[self.current_step]:
                self.current_step += 1
                log(*caffe_log.multistep_status(self.iter, self.current_step))
        return learning_rate(param, self.iter, self.current_step)

    def apply_update(self) -> None:
        """Clip, normalise by iter_size, add the weight decay, subtract the update; count the iteration."""
        param, rate = self.param, self.lr
        if param.display and self.iter % param.display == 0:
            log(*caffe_log.learning_rate(self.iter, rate))
        learnable = self.net.learnable
        if param.clip_gradients >= 0 and learnable:
            norm = clip([blob.grad for blob, *_ in learnable], param.clip_gradients)
            if norm > param.clip_gradients:
                log(*caffe_log.clipping(norm, param.clip_gradients))
        alike: dict[tuple[float, float], list[tuple[torch.Tensor, ...]]] = {}
        for i, (blob, *mults) in enumerate(learnable):
            history = self.history[i :: len(learnable)]
            alike.setdefault((mults[0], mults[1]), []).append((blob.value, blob.grad, *history))
        for (lr_mult, decay_mult), params in alike.items():
            update(self.rule, rate * lr_mult, param.weight_decay * decay_mult, params, param, self.iter)
        self.iter += 1

    # --- snapshots --------------------------------------------------------------------------------------

    def snapshot(self) -> None:
        """Write PREFIX_iter_N.caffemodel and .solverstate; .h5 files for snapshot_format HDF5."""
        write_snapshot(self)

    def restore(self, state_file: str) -> None:
        """Go on from a .solverstate of either format: weights, history, iteration and lr step.

        FormatError for another net's or solver type's, DataError when it or its weights are not there.
        """
        read_snapshot(self, str(state_file))

    def share_weights(self, net: Net) -> None:
        """Let `net` use the train net's parameters."""
        net.share_with(self.net)


def is_root() -> bool:
    """Whether this process tests and snapshots: alone, or the first of those that train together."""
    return solver_rank() == 0


def _parameter(solver_file: Any) -> Any:
    """The solver's own copy of its parameters, from a file or as they are; not a fork's options."""
    param = SolverParameter()
    if isinstance(solver_file, SolverParameter):
        param.CopyFrom(solver_file)
        return param
    read = read_solver(Path(solver_file), log)
    known = SolverParameter.DESCRIPTOR.fields_by_name
    if theirs := [field.name for field, _ in read.ListFields() if field.name not in known]:
        raise ValueError(
            f"{solver_file}: {', '.join(theirs)}: of a fork of Caffe, not supported here (leave it out)"
        )
    param.CopyFrom(read)
    default_prefix(param, Path(solver_file))
    return param


def _outputs(net: Net) -> Scores:
    """The values of the net's outputs now, flat."""
    return {name: net.blobs[name].value.detach().reshape(-1).cpu().numpy().copy() for name in net.outputs}


def _log_outputs(which: str, net: Net, outputs: dict[str, Any]) -> None:
    """One line per element of each output; those that count in the loss with their weight."""
    index = 0
    for name, values in outputs.items():
        for value in values:
            weight = net.blob_loss_weights[name] or None
            log(*caffe_log.net_output(which, index, name, float(value), weight))
            index += 1
