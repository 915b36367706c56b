"""One training attempt: its files, its engine, and the run's books while it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caffekit.diagnosis.attempt import AttemptPlan, Observe
from caffekit.diagnosis.remedies import apply
from caffekit.diagnosis.watch import Watcher
from caffekit.engines import Engine, Job, Outcome, batches_to_skip
from caffekit.errors import DataError
from caffekit.formats.prototxt import write_prototxt
from caffekit.formats.weights import read_solverstate, write_solverstate
from caffekit.netgen.augmented import augment_net
from caffekit.runs import Best, EventLog, RunDir, discard_after, prune, snapshot_of, write_json
from caffekit.steps.train_control import Control, Progress
from caffekit.steps.train_files import Inputs, net_key

Event = dict[str, Any]
PUBLISH_SECONDS = 60.0


@dataclass
class Training:
    """What all attempts of a run share."""

    run: RunDir
    inputs: Inputs
    engine: Engine
    devices: tuple[int, ...]
    """The GPUs that train together; none: the CPU."""
    control: Control
    progress: Progress
    best: Best
    log: EventLog
    keep_last: int = 3
    offset: int = 0
    """Attempts that earlier calls have made."""
    publish: Callable[[], None] = lambda: None
    """Brings metrics.csv and report.html up to date; called after a test, at most once a minute."""
    published: float = field(default_factory=time.monotonic)
    last: dict[str, Event] = field(default_factory=dict)
    """The newest event of each kind."""

    def run_attempt(self, plan: AttemptPlan, observe: Observe) -> Outcome:
        """Train one attempt to its end; what the recovery loop calls."""
        if self.control.ending:
            return Outcome("stopped")
        folder = self.run.attempt(self.offset + plan.number)
        param, resume, iteration, augmented = self._prepare(folder, plan)
        discard_after(self.run.snapshots, iteration)
        self.best.forget_after(iteration)
        skip, feeds = self._ahead(augmented, iteration if resume else 0, param)
        wanted = {"output": self.best.output, "value": self.best.value} if self.best.output else None
        device, *also = self.devices or (None,)
        job = Job(
            folder / "solver.prototxt", param, device, plan.weights, resume, skip, wanted, tuple(also), feeds
        )  # fmt: skip
        watcher = Watcher()

        def hear(event: Event) -> str | None:
            watcher.observe(event)
            self._book(event, watcher, self.offset + plan.number, param)
            return observe(event)

        outcome = self.engine.run(job, hear, folder / "caffe.log", self.control.tick)
        self.progress.clear()
        killed = self.control.ending and outcome.reason == "died"
        return replace(outcome, reason="stopped") if killed else outcome

    def _prepare(self, folder: Path, plan: AttemptPlan) -> tuple[Any, Path | None, int, list[str]]:
        """Write the attempt's solver, net and why.json.

        (solver, state to restore, its iteration or -1, the layers that change their images).
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.run.snapshots.mkdir(exist_ok=True)
        param, net = type(self.inputs.solver)(), type(self.inputs.net)()
        param.CopyFrom(self.inputs.solver)
        net.CopyFrom(self.inputs.net)
        changes = _changes(plan)
        apply({"set": changes}, param, net)
        setattr(param, net_key(param), str((folder / "train_val.prototxt").absolute()))
        param.solver_mode = param.GPU if self.devices else param.CPU
        resume, iteration = self._resume(folder, plan)
        if resume:
            param.ClearField("weights")
        augmented = []
        if self.inputs.augment:
            augmented = augment_net(net, **self.inputs.augment, native=self.engine.name == "embedded")
        write_prototxt(folder / "train_val.prototxt", net)
        write_prototxt(folder / "solver.prototxt", param)
        why = {"changed": plan.changed, "resumed_from": plan.resume_from, "from_iteration": max(iteration, 0)}
        write_json(folder / "why.json", {**why, "set": changes})
        return param, resume, iteration, augmented

    def _ahead(
        self, augmented: list[str], iteration: int, param: Any
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Batches to leave out of the layers that the engine reads itself, and of those that it is fed.

        Changed images never come again: such layers must go on exactly where they were. Ours leaves batches
        out without reading them, so it can go on exactly in shuffled lists too; real Caffe must read them.
        """
        native = self.engine.name == "embedded"
        seeded = param.random_seed >= 0
        skip = batches_to_skip(self.inputs.net, iteration, param.iter_size, seeded, exactly=native)
        exactly = dict.fromkeys(augmented, iteration * param.iter_size)
        if native:
            return {**skip, **exactly}, {}
        return {name: batches for name, batches in skip.items() if name not in exactly}, exactly

    def _resume(self, folder: Path, plan: AttemptPlan) -> tuple[Path | None, int]:
        """The state to restore (a corrected copy where its weights have moved) and its iteration, or -1."""
        if plan.resume_from is None:
            return None, -1
        state = read_state(plan.resume_from)
        if state is None:
            snapshot = snapshot_of(plan.resume_from)
            return plan.resume_from, snapshot.iter if snapshot else 0
        resume = folder / "resumed.solverstate"
        write_solverstate(resume, state)
        return resume, int(state.iter)

    def _book(self, event: Event, watcher: Watcher, number: int, param: Any) -> None:
        """Write down what happened, and keep order among the snapshots."""
        kind = event["event"]
        self.last[kind] = event
        self.log.add(event, number)
        if kind == "start":
            self.progress.begin(event, param.iter_size)
        elif kind == "display":
            self.progress.observe(event)
        elif kind == "test" and time.monotonic() - self.published > PUBLISH_SECONDS:
            self.publish()
            self.published = time.monotonic()
        self.best.observe(event)
        if kind == "snapshot":
            prune(self.run.snapshots, self.keep_last, self.best.kept(), watcher.last_healthy)


def _changes(plan: AttemptPlan) -> dict[str, Any]:
    """In what the attempt differs from the user's solver and net."""
    values = {
        "base_lr": plan.base_lr,
        "clip_gradients": plan.clip_gradients,
        "loss_weight": plan.loss_weights or None,
    }
    return {key: value for key, value in values.items() if value is not None}


def read_state(path: Path) -> Any:
    """The SolverState in `path`, naming its weights where they are now: beside it, else where they were.

    None for HDF5, which only the engine reads. DataError when the weights are gone.
    """
    if path.suffix == ".h5":
        return None
    state = read_solverstate(path)
    snapshot = snapshot_of(path)
    beside = snapshot.model if snapshot else path.with_suffix(".caffemodel")
    if beside.is_file():
        state.learned_net = str(beside.absolute())
    elif state.learned_net and not Path(state.learned_net).is_file():
        hint = "put the .caffemodel of the same iteration beside the .solverstate"
        raise DataError(f"{path}: its weights are neither beside it nor at {state.learned_net}", hint)
    return state
