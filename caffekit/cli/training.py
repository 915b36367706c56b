"""Commands that train and that look at trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffekit.cli.common import Call, command
from caffekit.report import Report

PATH = click.Path(path_type=Path)


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


COMMANDS: list[click.Command] = [diagnose_nan, parse_log]
