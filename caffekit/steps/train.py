"""`train`: a solver trained in a run directory, watched, and repaired when it breaks."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from caffekit import errors
from caffekit.config.schema import Settings
from caffekit.diagnosis.attempt import Attempt, AttemptPlan
from caffekit.diagnosis.early_stop import EarlyStop
from caffekit.diagnosis.recovery import recover
from caffekit.engines import Engine, choose_devices, find_engine
from caffekit.errors import CaffekitError, DataError, UsageError, os_errors
from caffekit.options import Options
from caffekit.report import Report
from caffekit.reports.run import write_run_report
from caffekit.runs import (
    Best,
    EventLog,
    RunDir,
    find_snapshots,
    newest_valid,
    read_events,
    read_json,
    snapshot_of,
    write_json,
    write_metrics,
)
from caffekit.steps.train_attempt import Training, read_state
from caffekit.steps.train_control import Control, Progress
from caffekit.steps.train_files import Inputs, differences, install, make_inputs, refuse_changed

AGAIN = "the same command with --resume auto goes on from the last snapshot"
DEFAULT_OPTIONS = Options()
FINISHED = ("done", "early-stop")


def train(
    settings: Settings,
    options: Options = DEFAULT_OPTIONS,
    *,
    solver: Path | None = None,
    run_dir: Path | None = None,
    resume: str | Path | None = None,
    caffe_python: Path | None = None,
) -> Report:
    """Train in `run_dir` (default: RUNS/NAME), by the settings or by the user's own `solver`.

    `resume`: "auto" goes on from the newest usable snapshot of that run, or begins it; a .solverstate goes on
    from there. An interrupted, paused, diverged or dead training is a failed Report that tells what was done.
    """
    run = RunDir(Path(run_dir or settings.train.runs / _name(settings, solver)))
    begin_with = [settings.finetune.weights] if settings.finetune.weights and not solver else []
    weights = _existing([*begin_with, *settings.train.weights])
    state = None if resume in (None, "auto") else _existing([Path(str(resume))])[0]
    if state:
        read_state(state)
    if run.exists() and not (resume or options.overwrite):
        raise UsageError(
            f"{run.path} holds a training already",
            "--resume auto goes on with it, --overwrite starts again, --run-dir takes another place",
        )
    engine = find_engine(
        settings.train.engine, caffe_python, settings.train.precision, settings.train.compile
    )
    devices, where = choose_devices(engine, settings.train.gpu)
    if options.dry_run:
        return _dry_run(run, settings, solver, where)
    run.refuse_other()
    with run.lock(), tempfile.TemporaryDirectory(prefix=f".{run.path.name}.", dir=run.path.parent) as folder:
        inputs = make_inputs(Path(folder), run, settings, solver)
        if solver and "max_iter" in settings.solver.model_fields_set and settings.solver.max_iter is not None:
            inputs.solver.max_iter = settings.solver.max_iter
        begun = run.complete and resume is not None
        changes = differences(run, inputs) if begun and not state else []
        if not options.overwrite:
            refuse_changed(changes, run)
        begun = begun and not changes
        if begun and not state and (finished := _finished(run, inputs)):
            return finished
        with os_errors("writing", run.path):
            if not begun:
                run.clear()
            install(Path(folder), run)
        plan = _plan(run, inputs, weights, state, begun, options)
        return _train(run, inputs, plan, engine, devices, settings, options, where)


def _name(settings: Settings, solver: Path | None) -> str:
    """The run's name: the pipeline's; for a solver without one, its file's (or folder's) name."""
    if solver is None or "name" in settings.model_fields_set:
        return settings.name
    return solver.stem if solver.stem != "solver" else solver.absolute().parent.name


def _existing(paths: list[Path]) -> list[Path]:
    for path in paths:
        if not path.is_file():
            raise DataError(f"no such file: {path}", "check the path of the model or the state")
    return [path.absolute() for path in paths]


def _dry_run(run: RunDir, settings: Settings, solver: Path | None, where: str) -> Report:
    what = str(solver) if solver else f"{settings.data.work / settings.name}"
    return Report("train", {"run_dir": str(run.path)}, [f"would train {what} in {run.path}", f"  {where}"])


def _finished(run: RunDir, inputs: Inputs) -> Report | None:
    """The report of a run that has nothing left to do."""
    summary = read_json(run.summary)
    snapshots = find_snapshots(run.snapshots)
    last = snapshots[-1] if snapshots else None
    ended = last is not None and last.iter >= inputs.solver.max_iter and not last.problem()
    if not ended and summary.get("outcome") != "early-stop":
        return None
    return Report("train", summary, [f"{run.path}: nothing to do, trained to the end"])


def _plan(
    run: RunDir, inputs: Inputs, weights: list[Path], state: Path | None, begun: bool, options: Options
) -> AttemptPlan:
    """The first attempt: from the given state, the newest usable snapshot of the run, or the start."""
    plan = AttemptPlan(base_lr=inputs.solver.base_lr, weights=tuple(weights))
    if not begun:
        return replace(plan, resume_from=state)
    if state is None:
        snapshot, passed_over = newest_valid(run.snapshots)
        for reason in passed_over:
            options.note(f"passed over: {reason}")
        state = snapshot.state if snapshot else None
    attempts = run.attempts()
    why = read_json(run.attempt(attempts[-1]) / "why.json").get("set", {}) if attempts else {}
    options.note(f"going on from {state.name}" if state else "no usable snapshot: starting again")
    return replace(
        plan,
        resume_from=state,
        base_lr=why.get("base_lr", plan.base_lr),
        clip_gradients=why.get("clip_gradients"),
        loss_weights=why.get("loss_weight", {}),
    )


def _train(
    run: RunDir, inputs: Inputs, plan: AttemptPlan, engine: Engine, devices: tuple[int, ...],
    settings: Settings, options: Options, where: str,
) -> Report:  # fmt: skip
    """Run the recovery loop and keep the books."""
    options.note(where)
    early = _early_stop(run, inputs, settings, plan)
    begun = read_json(run.summary) if plan.resume_from else {}
    summary: dict[str, Any] = {
        "run_dir": str(run.path),
        "engine": engine.name,
        "engine_version": engine.version,
        "device": f"gpu {','.join(map(str, devices))}" if devices else "cpu",
        "outcome": "running",
        "attempts": list(begun.get("attempts", [])),
        "best": None,
    }
    report = Report("train", summary, warnings=list(inputs.warnings))
    keep = settings.train.snapshots
    with Control(settings.train.max_hours) as control, EventLog(run.events) as log:
        best = Best(run, early.metric or None, keep.keep_best)
        training = Training(
            run, inputs, engine, devices, control, Progress(options), best, log,
            keep.keep_last, max(run.attempts(), default=0),
        )  # fmt: skip

        def on_attempt(attempt: Attempt) -> None:
            entry = {**attempt.as_json(), "attempt": training.offset + attempt.plan.number}
            summary["attempts"].append(entry)
            training.publish()
            if attempt.outcome not in (*FINISHED, "stopped"):
                options.note(_told(entry))

        training.publish = lambda: _publish(run, {**summary, "best": _best(training)})
        training.publish()
        with _failures(report, run):
            guard = settings.guard
            attempts = recover(
                training.run_attempt, plan, max_attempts=guard.max_attempts, min_lr=guard.min_lr,
                on_divergence=guard.on_divergence, early_stop=early, solver=inputs.solver, net=inputs.net,
                on_attempt=on_attempt,
            )  # fmt: skip
            summary["outcome"] = attempts[-1].outcome
        return _conclude(training, report, settings)


def _early_stop(run: RunDir, inputs: Inputs, settings: Settings, plan: AttemptPlan) -> EarlyStop:
    """On the metric asked for, else on the first test output that can be compared; told of earlier tests."""
    outputs = inputs.test_outputs
    wanted = settings.train.early_stop
    metric = wanted.metric if wanted.metric in outputs else next(iter(outputs), "")
    early = EarlyStop(metric, wanted.patience)
    snapshot = snapshot_of(plan.resume_from) if plan.resume_from else None
    if snapshot:
        for event in read_events(run.events):
            if int(event.get("iter", 0)) < snapshot.iter:
                early.observe(event)
    return early


@contextmanager
def _failures(report: Report, run: RunDir) -> Iterator[None]:
    """Put what ends the training into the report; what was done until then stays in it."""
    try:
        yield
    except CaffekitError as error:
        outcome = {"diverged": "diverged", "engine-died": "died"}
        report.summary["outcome"] = outcome.get(error.kind, "failed")
        if isinstance(error, errors.EngineDied) and _disk_is_full(run, error.message):
            full = f"the disk is full: {error.message}"
            error = errors.EnvironmentProblem(full, f"free some space; {AGAIN}")
        report.fail(error)


def _disk_is_full(run: RunDir, message: str) -> bool:
    return "No space left" in message or shutil.disk_usage(run.path).free < 1 << 20


def _conclude(training: Training, report: Report, settings: Settings) -> Report:
    """Best, final and speed into the summary; metrics, report, and the lines for people."""
    run, control, summary, last = training.run, training.control, report.summary, training.last
    iterations = max((int(event["iter"]) for event in last.values()), default=0)
    if summary["outcome"] == "stopped":
        report.fail(_why_stopped(control, iterations))
        summary["outcome"] = "paused" if control.paused and not control.received else "interrupted"
    elif summary["outcome"] in FINISHED:
        training.best.finish()
    summary["best"] = _best(training)
    test, display = last.get("test", {}), last.get("display", {})
    outputs = {name: values[0] for name, values in (test.get("outputs") or {}).items() if values}
    summary["final"] = {"iter": iterations, "train_loss": display.get("loss"), **outputs}
    summary["iterations"] = iterations
    summary["images_per_second"] = training.progress.images_per_second
    _publish(run, summary)
    report.lines = _lines(run, summary)
    return report


def _best(training: Training) -> dict[str, Any] | None:
    info = training.best.info
    return {"iter": info["iter"], "metrics": info["metrics"]} if info else None


def _why_stopped(control: Control, iterations: int) -> CaffekitError:
    if signal.SIGTERM in control.received:
        return errors.Terminated(f"terminated after iteration {iterations}; the state is saved", AGAIN)
    if control.received:
        return errors.Interrupted(f"interrupted after iteration {iterations}; the state is saved", AGAIN)
    return errors.Paused(f"--max-hours is used up after iteration {iterations}; the state is saved", AGAIN)


def _told(entry: dict[str, Any]) -> str:
    cause = f": {entry['cause']}" if entry["cause"] else ""
    return f"attempt {entry['attempt']}: {entry['outcome']} at iteration {entry['at_iteration']}{cause}"


def _publish(run: RunDir, summary: dict[str, Any]) -> None:
    """Summary, metrics and report as they are now."""
    write_json(run.summary, summary)
    events = read_events(run.events)
    write_metrics(run.path / "metrics.csv", events)
    write_run_report(run.path / "report.html", run.path.absolute().name, summary, events)


def _lines(run: RunDir, summary: dict[str, Any]) -> list[str]:
    """The short text on stdout."""
    where = f"{summary['engine']}, {summary['device']}"
    lines = [f"trained {summary['iterations']} iterations in {run.path} ({where})"]
    lines += [f"  {_told(entry)}" for entry in summary["attempts"] if entry["cause"]]
    best = summary["best"]
    if best and best["metrics"]:
        shown = ", ".join(f"{name} {float(value):.4g}" for name, value in best["metrics"].items())
        lines.append(f"  best at iteration {best['iter']}: {shown}")
    if best:
        lines.append(f"  model  {run.best_model}")
    return [*lines, f"  report {run.path / 'report.html'}"]
