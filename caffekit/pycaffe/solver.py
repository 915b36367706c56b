"""The solver: Caffe's training loop, its tests, snapshots and log (src/caffe/solver.cpp)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from caffekit.formats import caffe_log
from caffekit.formats.caffe_pb2 import TEST, TRAIN, NetState, SolverParameter, SolverState
from caffekit.formats.prototxt import read_solver
from caffekit.formats.weights import blob_array, read_solverstate, to_blob, write_solverstate
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import set_random_seed
from caffekit.pycaffe.net import Net, read_network
from caffekit.pycaffe.updates import LR_POLICIES, RULES, check_policy

Callback = Callable[[], Any]


class Solver:
    """A solver of the type that its SolverParameter names; takes a solver.prototxt or a SolverParameter.

    Paths inside are relative to the working directory, as in Caffe. ValueError for what BVLC aborts on.
    """

    type = ""

    def __init__(self, solver_file: Any) -> None:
        param = solver_file if isinstance(solver_file, SolverParameter) else read_solver(Path(solver_file))
        self.param = SolverParameter()
        self.param.CopyFrom(param)
        if not isinstance(solver_file, SolverParameter):
            _default_prefix(self.param, Path(solver_file))
        self.rule, self.histories = RULES[self.type or self.param.type]
        check_policy(self.param)
        log("solver.cpp:45", f"Initializing solver from parameters: \n{self.param}")
        if self.param.random_seed >= 0:
            set_random_seed(self.param.random_seed)
        self.iter, self.current_step = 0, 0
        self.net = self._train_net()
        self.test_nets = self._test_nets()
        self.history = [torch.zeros_like(blob.value) for blob, _, _ in self.net.learnable * self.histories]
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._losses: list[float] = []
        self._smoothed = 0.0
        self._last_display = (0, time.monotonic())
        log("solver.cpp:57", "Solver scaffolding done.")

    # --- nets -------------------------------------------------------------------------------------------

    def _train_net(self) -> Net:
        param = self.param
        given = [key for key in ("net", "net_param", "train_net", "train_net_param") if param.HasField(key)]
        if len(given) != 1:
            raise ValueError(
                f"SolverParameter must specify exactly one train net, of net, net_param, train_net and"
                f" train_net_param; got {given or 'none'}"
            )
        return _net(getattr(param, given[0]), TRAIN, [param.train_state])

    def _test_nets(self) -> list[Net]:
        param = self.param
        sources = [*param.test_net_param, *param.test_net]
        generic = [getattr(param, key) for key in ("net_param", "net") if param.HasField(key)]
        sources += generic * (len(param.test_iter) - len(sources))
        if len(sources) != len(param.test_iter):
            raise ValueError(
                f"expected a test_iter for each of {len(sources)} test nets, got {len(param.test_iter)}"
            )
        if sources and param.test_interval <= 0:
            raise ValueError("test_interval must be above 0 where there is a test net")
        states = list(param.test_state) or [NetState()] * len(sources)
        return [_net(source, TEST, [state]) for source, state in zip(sources, states, strict=True)]

    # --- the loop ---------------------------------------------------------------------------------------

    def step(self, iters: int) -> None:
        """Train for `iters` iterations, each: test, iter_size passes, display, update, snapshot."""
        param, stop = self.param, self.iter + iters
        self._losses, self._smoothed = [], 0.0
        self._last_display = (self.iter, time.monotonic())
        start = self.iter
        while self.iter < stop:
            self.net.clear_param_diffs()
            due = param.test_interval and self.iter % param.test_interval == 0
            if due and (self.iter > 0 or param.test_initialization):
                self._test_all()
            for on_start, _ in self._callbacks:
                on_start()
            loss = sum(self._forward_backward() for _ in range(param.iter_size)) / param.iter_size
            self._smooth(loss, start)
            display = param.display and self.iter % param.display == 0
            if display:
                self._display()
            for _, on_gradients_ready in self._callbacks:
                on_gradients_ready()
            self.apply_update()
            if param.snapshot and self.iter % param.snapshot == 0:
                self.snapshot()

    def solve(self, resume_file: str | None = None) -> None:
        """Train to max_iter, then snapshot, display and test once more, as `caffe train` does."""
        param = self.param
        log(*caffe_log.solving(self.net.name))
        log(*caffe_log.policy(param.lr_policy))
        if resume_file:
            self.restore(resume_file)
        self.step(param.max_iter - self.iter)
        if param.snapshot_after_train and (not param.snapshot or self.iter % param.snapshot):
            self.snapshot()
        if param.display and self.iter % param.display == 0:
            loss = self.net._forward(0, len(self.net.layers) - 1)
            self._smooth(loss, self.iter - len(self._losses))
            log(*caffe_log.final_iteration(self.iter, self._smoothed))
        if param.test_interval and self.iter % param.test_interval == 0:
            self._test_all()
        log(*caffe_log.done())

    def _forward_backward(self) -> float:
        last = len(self.net.layers) - 1
        loss = self.net._forward(0, last)
        self.net._backward(last, 0)
        return loss

    def _smooth(self, loss: float, start: int) -> None:
        """The mean of the last average_loss losses, updated as Caffe does (drift and all)."""
        size = self.param.average_loss
        if len(self._losses) < size:
            self._losses.append(loss)
            self._smoothed += (loss - self._smoothed) / len(self._losses)
        else:
            index = (self.iter - start) % size
            self._smoothed += (loss - self._losses[index]) / size
            self._losses[index] = loss

    def _display(self) -> None:
        last, then = self._last_display
        now = time.monotonic()
        log(*caffe_log.iteration(self.iter, self.iter - last, now - then, self.param.display, self._smoothed))
        self._last_display = (self.iter, now)
        _log_outputs(
            "Train", self.net, {name: self.net.blobs[name].data.ravel() for name in self.net.outputs}
        )

    def _test_all(self) -> None:
        for index, net in enumerate(self.test_nets):
            log(*caffe_log.testing(self.iter, index))
            net.share_with(self.net)
            rounds = self.param.test_iter[index]
            loss = 0.0
            sums: dict[str, Any] = dict.fromkeys(net.outputs, 0.0)
            for _ in range(rounds):
                loss += net._forward(0, len(net.layers) - 1, keep_graph=False)
                for name in net.outputs:
                    sums[name] = sums[name] + net.blobs[name].data.ravel().astype(float)
            if self.param.test_compute_loss:
                log(*caffe_log.test_loss(loss / rounds))
            _log_outputs("Test", net, {name: total / rounds for name, total in sums.items()})

    def add_callback(self, on_start: Callback, on_gradients_ready: Callback) -> None:
        """Call `on_start()` before each iteration, `on_gradients_ready()` before each update."""
        self._callbacks.append((on_start, on_gradients_ready))

    # --- the update -------------------------------------------------------------------------------------

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        param = self.param
        if param.lr_policy == "multistep":
            steps = param.stepvalue
            if self.current_step < len(steps) and self.iter >= steps[self.current_step]:
                self.current_step += 1
                log(*caffe_log.multistep_status(self.iter, self.current_step))
        return float(param.base_lr * LR_POLICIES[param.lr_policy](param, self.iter, self.current_step))

    def apply_update(self) -> None:
        """Clip, normalise by iter_size, add the weight decay, subtract the update; count the iteration."""
        param, rate = self.param, self.lr
        if param.display and self.iter % param.display == 0:
            log(*caffe_log.learning_rate(self.iter, rate))
        self._clip_gradients()
        count = len(self.net.learnable)
        for i, (blob, lr_mult, decay_mult) in enumerate(self.net.learnable):
            grad = blob.grad
            if param.iter_size > 1:
                grad.mul_(1 / param.iter_size)
            self._regularize(blob.value, grad, param.weight_decay * decay_mult)
            update = self.rule(rate * lr_mult, grad, self.history[i::count], param, self.iter)
            grad.copy_(update)
            blob.value.sub_(grad)
        self.iter += 1

    def _clip_gradients(self) -> None:
        """Scale all gradients to the L2 norm clip_gradients; the norm is that of the sum over iter_size."""
        clip = self.param.clip_gradients
        if clip < 0:
            return
        norm = float(torch.stack([blob.grad.norm() for blob, _, _ in self.net.learnable]).norm())
        if norm > clip:
            log(*caffe_log.clipping(norm, clip))
            for blob, _, _ in self.net.learnable:
                blob.grad.mul_(clip / norm)

    def _regularize(self, value: torch.Tensor, grad: torch.Tensor, decay: float) -> None:
        if not decay:
            return
        if self.param.regularization_type == "L2":
            grad.add_(value, alpha=decay)
        elif self.param.regularization_type == "L1":
            grad.add_(value.sign(), alpha=decay)
        else:
            raise ValueError(f"Unknown regularization type: {self.param.regularization_type} (known: L1, L2)")

    # --- snapshots --------------------------------------------------------------------------------------

    def snapshot(self) -> None:
        """Write PREFIX_iter_N.caffemodel and .solverstate."""
        prefix = f"{self.param.snapshot_prefix}_iter_{self.iter}"
        model, state = f"{prefix}.caffemodel", f"{prefix}.solverstate"
        log(*caffe_log.snapshotting(model))
        self.net.save(model)
        log(*caffe_log.snapshotting_state(state))
        proto = SolverState(iter=self.iter, learned_net=model, current_step=self.current_step)
        proto.history.extend(to_blob(tensor.cpu().numpy()) for tensor in self.history)
        write_solverstate(Path(state), proto)

    def restore(self, state_file: str) -> None:
        """Go on from a .solverstate: weights, history, iteration and lr step."""
        state = read_solverstate(Path(state_file))
        if len(state.history) != len(self.history):
            raise ValueError(
                f"{state_file}: Incorrect length of history blobs: expected {len(self.history)}, got"
                f" {len(state.history)} (another net or solver type, or a .caffemodel?)"
            )
        self.iter, self.current_step = state.iter, state.current_step
        if state.learned_net:
            self.net.copy_from(state.learned_net)
        log("sgd_solver.cpp:336", "SGDSolver: restoring history")
        for mine, theirs in zip(self.history, state.history, strict=True):
            mine.copy_(torch.from_numpy(blob_array(theirs).copy()).reshape(mine.shape))

    def share_weights(self, net: Net) -> None:
        """Let `net` use the train net's parameters."""
        net.share_with(self.net)


def _net(source: Any, phase: int, states: list[Any]) -> Net:
    """A net in the state that its file and its solver give it; stages add up."""
    param = read_network(source)
    state = NetState()
    for each in [param.state, *states]:
        state.MergeFromString(each.SerializeToString())  # it may be a fork's message
    return Net(param, phase=phase, level=state.level, stages=list(state.stage))


def _default_prefix(param: Any, path: Path) -> None:
    """Where snapshots go when the solver does not say: beside it; or into a folder, under its name."""
    if not param.snapshot_prefix:
        param.snapshot_prefix = str(path.with_suffix(""))
    elif Path(param.snapshot_prefix).is_dir():
        param.snapshot_prefix = str(Path(param.snapshot_prefix) / path.stem)


def _log_outputs(which: str, net: Net, outputs: dict[str, Any]) -> None:
    """One line per element of each output; those that count in the loss with their weight."""
    index = 0
    for name, values in outputs.items():
        for value in values:
            weight = net.blob_loss_weights[name] or None
            log(*caffe_log.net_output(which, index, name, float(value), weight))
            index += 1
