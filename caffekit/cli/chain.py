"""The whole chain and its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffekit.cli.common import Call, command
from caffekit.report import Report


@command
@click.argument("pipeline", type=click.Path(path_type=Path), required=False)
@click.option("--from", "start", metavar="STAGE", help="Run this stage and all after it again.")
@click.option("--only", metavar="STAGE", help="Run this stage alone.")
@click.option("--force", is_flag=True, help="Run every stage again.")
def run(call: Call, pipeline: Path | None, **flags: Any) -> Report:
    """Run the whole chain of a pipeline.yaml; only what changed runs again.

    \b
    caffekit run pipeline.yaml
    caffekit run pipeline.yaml --dry-run
    """
    from caffekit.steps.run import run as step

    call.config = pipeline or call.config or Path("pipeline.yaml")
    return step(call.settings(), call.options, **flags)


@command
@click.argument("pipeline", type=click.Path(path_type=Path), required=False)
@click.option("--run", "run_dir", type=click.Path(path_type=Path), help="Run.  [default: runs/NAME]")
@click.option(
    "--files", type=click.IntRange(min=1), default=8, show_default=True, help="Images of each LMDB."
)
@click.option("--caffe-python", type=click.Path(path_type=Path), help="Interpreter with real Caffe.")
def check(call: Call, pipeline: Path | None, **flags: Any) -> Report:
    """Hold settings, nets, LMDBs, mean, model and labels against each other.

    Also follow images through training, test, prediction and deployment, in both engines: each must come to
    the net as the same tensor. Exit 3 if something is wrong.

    \b
    caffekit check pipeline.yaml
    """
    from caffekit.steps.check import check as step

    default = Path("pipeline.yaml")
    if not (call.config or pipeline) and default.is_file():
        pipeline = default
    call.config = pipeline or call.config
    return step(call.settings(), call.options, **flags)


@command
@click.option("--origin", is_flag=True, help="One line per setting, with where its value came from.")
def show(call: Call, origin: bool) -> Report:
    """Print every setting in force, defaults included, as YAML.

    \b
    caffekit config show --origin -c pipeline.yaml
    """
    from caffekit.steps.config import show as step

    return step(call.config, call.overrides, origin)


@click.group()
def config() -> None:
    """Look at the settings of pipeline.yaml."""


config.add_command(show)

COMMANDS: list[click.Command] = [run, check, config]
