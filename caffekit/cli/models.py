"""Commands about files of nets and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffekit.cli.common import Call, command
from caffekit.report import Report

FILE = click.Path(path_type=Path, dir_okay=False)
PHASE = click.option("--phase", type=click.Choice(["TRAIN", "TEST"]), help="Which of its nets.")


class ImageShape(click.ParamType[Any]):
    """CxHxW, as in 3x227x227."""

    name = "CxHxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The three numbers."""
        parts = str(value).lower().split("x")
        if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts):
            self.fail(f"expected channels x height x width as in 3x227x227, got {value!r}", param, ctx)
        return tuple(int(part) for part in parts)


IMAGE = click.option(
    "--image", type=ImageShape(), help="Shape of what data layers read.  [default: from the database]"
)


@command
@click.argument("file", metavar="FILE.prototxt", type=FILE)
@PHASE
@IMAGE
def summary(call: Call, file: Path, phase: str | None, image: tuple[int, ...] | None) -> Report:
    """Print shapes, parameters, multiply-adds and memory.

    \b
    caffekit net summary train_val.prototxt --phase TEST --image 3x256x256
    """
    from caffekit.steps.net_summary import net_summary as step

    return step(file, phase, image)


@command
@click.argument("file", metavar="FILE.prototxt", type=FILE)
@click.option("-o", "--out", required=True, type=FILE, help="The .svg or .png to write.")
@PHASE
@IMAGE
def draw(call: Call, file: Path, out: Path, phase: str | None, image: tuple[int, ...] | None) -> Report:
    """Draw the net as SVG, or PNG.

    \b
    caffekit net draw deploy.prototxt -o net.svg
    """
    from caffekit.steps.net_draw import net_draw as step

    return step(file, out, phase, image, call.options)


@click.group()
def net() -> None:
    """Look at a net."""


net.add_command(summary)
net.add_command(draw)


@command
@click.argument("source", metavar="IN", type=FILE)
@click.option("-o", "--out", required=True, type=FILE, help="File to write.")
def upgrade(call: Call, source: Path, out: Path) -> Report:
    """Bring an old net, solver or caffemodel (V0, V1) to today's form.

    \b
    caffekit upgrade old_train_val.prototxt -o train_val.prototxt
    """
    from caffekit.steps.upgrade import upgrade as step

    return step(source, out, call.options)


@command
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
def check(call: Call, files: tuple[Path, ...]) -> Report:
    """Find values that are not finite; exit 3 if there are any.

    \b
    caffekit weights check snapshots/*.caffemodel snapshots/*.solverstate
    """
    from caffekit.steps.weights import check as step

    return step(list(files))


@command
@click.argument("file", type=FILE)
def show(call: Call, file: Path) -> Report:
    """List layers with shapes, norms and spreads.

    \b
    caffekit weights show lenet_iter_10000.caffemodel
    """
    from caffekit.steps.weights import show as step

    return step(file)


@command
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
def diff(call: Call, first: Path, second: Path) -> Report:
    """Compare two files layer by layer; exit 3 if they differ.

    \b
    caffekit weights diff a.caffemodel b.caffemodel
    """
    from caffekit.steps.weights import diff as step

    return step(first, second)


@click.group()
def weights() -> None:
    """Look into weights."""


for each in (check, show, diff):
    weights.add_command(each)

COMMANDS: list[click.Command] = [net, upgrade, weights]
