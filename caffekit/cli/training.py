"""Commands that train and that look at trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffekit.cli.common import Call, command
from caffekit.report import Report

PATH = click.Path(path_type=Path)


def _devices(call: Call, gpu: str | None, cpu: bool, **train: Any) -> dict[str, Any]:
    """The train section's flags, with --gpu 0,1|all|auto and --cpu as its key gpu."""
    if cpu and gpu:
        raise click.UsageError("--gpu and --cpu exclude each other")
    numbers = [int(text) if text.isdigit() else text for text in (gpu or "").split(",") if text]
    return {**train, "gpu": "none" if cpu else numbers if len(numbers) > 1 else next(iter(numbers), None)}


ENGINE = [
    click.option("--engine", type=click.Choice(["embedded", "bvlc"]), help="Engine.  [default: embedded]"),
    click.option(
        "--gpu",
        "-gpu",
        metavar="N[,N]|all",
        help="GPU, or several to train on together.  [default: the first, else the CPU]",
    ),
    click.option("--cpu", is_flag=True, help="Use the CPU."),
    click.option("--caffe-python", type=PATH, help="Interpreter with real Caffe, for --engine bvlc."),
]


def engine_options(body: Any) -> Any:
    """--engine, --gpu, --cpu and --caffe-python."""
    for option in reversed(ENGINE):
        body = option(body)
    return body


@command
@click.option("--solver", "-solver", type=PATH, help="Your own solver, instead of -c CONFIG.")
@engine_options
@click.option("--weights", "-weights", multiple=True, help="Model to start from (repeatable; commas).")
@click.option("--resume", "-snapshot", metavar="auto|FILE", help="Go on, from the newest or this snapshot.")
@click.option("--run-dir", type=PATH, help="Where everything goes.  [default: runs/NAME]")
@click.option("--augment", is_flag=True, default=None, help="Change images anew each time (section augment).")
@click.option("--max-iter", type=click.IntRange(min=0), help="Iterations in all.")
@click.option("--max-hours", type=float, help="Pause after this time (exit 9), to be resumed.")
@click.option("--no-recover", is_flag=True, help="End at a divergence (exit 5) instead of repairing it.")
@click.option("--max-attempts", type=click.IntRange(min=1), help="Attempts in all.  [default: 5]")
def train(call: Call, solver: Path | None, **given: Any) -> Report:
    """Train a net, watch it, and repair what breaks it.

    \b
    caffekit train -c pipeline.yaml
    caffekit train -solver solver.prototxt -weights start.caffemodel -gpu 0
    """
    from caffekit.steps.train import train as step

    if not (solver or call.config or call.overrides):
        raise click.UsageError("nothing to train: give -c CONFIG or --solver SOLVER")
    settings = call.settings(**_train_sections(call, **given))
    places = {key: given[key] for key in ("run_dir", "resume", "caffe_python")}
    return step(settings, call.options, solver=solver, **places)


def _train_sections(call: Call, **given: Any) -> dict[str, Any]:
    """The flags of `train` by the section of the settings that they belong to."""
    weights = [path for text in given["weights"] for path in text.split(",")] or None
    train = {key: given[key] for key in ("engine", "augment", "max_hours")} | {"weights": weights}
    mode = "stop" if given["no_recover"] else None
    return {
        "train": _devices(call, given["gpu"], given["cpu"], **train),
        "solver": {"max_iter": given["max_iter"]},
        "guard": {"on_divergence": mode, "max_attempts": given["max_attempts"]},
    }


@command
@click.argument("source", type=PATH)
@click.option("--run", "run_dir", type=PATH, help="Run directory: its best model and its contract.")
@click.option("--net", type=PATH, help="Deploy net, instead of --run.")
@click.option("--weights", type=PATH, help="Model.  [default: the run's best.caffemodel]")
@click.option("--preprocess", type=PATH, help="Contract.  [default: the run's preprocess.yaml]")
@click.option("--root", type=PATH, help="What the list's paths are relative to.")
@click.option("-o", "--out", type=PATH, help="Folder for the result.  [default: the run]")
@click.option("--top", metavar="K[,K]", help="Top-k accuracies.  [default: 1,5]")
@engine_options
def evaluate(call: Call, source: Path, top: str | None, **given: Any) -> Report:
    """Measure a model on a folder, list or LMDB: top-k, per class, confusion matrix.

    \b
    caffekit evaluate --run runs/digits lists/test.txt
    """
    from caffekit.steps.evaluate import evaluate as step

    tops = [int(k) for k in top.split(",") if k.isdigit()] if top else None
    train = _devices(call, given.pop("gpu"), given.pop("cpu"), engine=given.pop("engine"))
    return step(call.settings(train=train, evaluate={"top": tops}), source, call.options, **given)


@command
@click.option("--log", "logs", multiple=True, type=PATH, help="Training log (- is stdin; repeatable).")
@click.option("--solver", type=PATH, help="Solver that was used.")
@click.option("--net", type=PATH, help="Net that was used.  [default: the solver's]")
@click.option("--db", "dbs", multiple=True, type=PATH, help="LMDB whose labels are checked (repeatable).")
@click.option("--weights", multiple=True, type=PATH, help="Model or state to check for nan (repeatable).")
@click.option("--run", type=PATH, help="Run directory: its failed attempt is looked at.")
@click.option("--replay", is_flag=True, help="Run the net to prove the cause (not there yet).")
@click.option("--fix", type=PATH, help="Folder for a repaired solver and net.")
def diagnose_nan(call: Call, **given: Any) -> Report:
    """Say why a training broke, what proves it, and what to change; exit 3 if anything is wrong.

    \b
    caffekit diagnose-nan --log caffe.log --solver solver.prototxt --fix repaired
    """
    from caffekit.steps.diagnose_nan import diagnose_nan as step

    return step(**given, options=call.options)


@command
@click.argument("log", type=PATH)
@click.option("-o", "--out", type=PATH, help="Table to write: .csv or .jsonl.")
def parse_log(call: Call, log: Path, out: Path | None) -> Report:
    """Turn a Caffe log into a table, nan and all.

    \b
    caffekit parse-log caffe.log -o metrics.csv
    """
    from caffekit.steps.parse_log import parse_log as step

    return step(log, out, call.options)


COMMANDS: list[click.Command] = [train, diagnose_nan, parse_log, evaluate]
