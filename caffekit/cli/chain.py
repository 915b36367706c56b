"""The whole chain and its configuration."""

from __future__ import annotations

import click

from caffekit.cli.common import Call, command
from caffekit.report import Report


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

COMMANDS: list[click.Command] = [config]
