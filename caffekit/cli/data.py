"""Data preparation: from a folder of images to an LMDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffekit.cli.common import Call, command
from caffekit.report import Report

IN = click.Path(path_type=Path)
OUT = click.option("-o", "--out", required=True, type=IN, help="Folder to write.")
ROOT = click.option("--root", type=IN, help="What the list's paths are relative to.  [default: see docs]")


class Range(click.ParamType[list[float]]):
    """FROM,TO as two numbers."""

    name = "from,to"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """Two numbers, the first not above the second."""
        try:
            low, high = (float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"expected two numbers FROM,TO such as 0.8,1.2, got {value!r}", param, ctx)
        return [low, high]


@command
@click.argument("source", type=IN)
@OUT
@ROOT
@click.option("--val", type=float, help="Share of the validation list.  [default: 0.1]")
@click.option("--test", type=float, help="Share of the test list.  [default: 0]")
@click.option("--group-by", metavar="RULE", help="duplicates|folder|regex:PATTERN|csv:FILE")
@click.option("--folds", type=int, help="K folds instead of one split.")
def split(call: Call, source: Path, out: Path, root: Path | None, **flags: Any) -> Report:
    """Carve a validation list (and a test list) out of a training set.

    \b
    caffekit split data/raw -o lists --val 0.1 --test 0.1
    """
    from caffekit.steps.split import split as step

    return step(source, out, call.settings("split", **flags), call.options, root=root)


@command
@click.argument("source", type=IN)
@OUT
@ROOT
@click.option("--method", metavar="METHOD", help="oversample|jitter|undersample|hybrid")
@click.option("--target", metavar="COUNT", help="max|min|median|mean or a number.  [default: max]")
@click.option("--max-repeat", type=int, help="No image is used more often than this.")
def balance(call: Call, source: Path, out: Path, root: Path | None, **flags: Any) -> Report:
    """Even out the class counts of a training list.

    \b
    caffekit balance lists/train.txt -o balanced --method jitter --target median
    """
    from caffekit.steps.balance import balance as step

    if flags["target"] and flags["target"].isdigit():
        flags["target"] = int(flags["target"])
    return step(source, out, call.settings("balance", **flags), call.options, root=root)


@command
@click.argument("source", type=IN)
@OUT
@ROOT
@click.option("--copies", type=int, help="Changed copies per image.")
@click.option("--crop", type=Range(), help="Side of a random crop as a share of the image.")
@click.option("--scale", type=Range(), help="Random zoom.")
@click.option("--rotate", type=float, help="Random rotation, degrees either way.")
@click.option("--flip", is_flag=True, default=None, help="Mirror every second image.")
@click.option("--color", type=float, help="Brightness, contrast and saturation, up to this share.")
@click.option("--noise", type=float, help="Gaussian noise, grey levels.")
@click.option("--blur", type=float, help="Gaussian blur, pixels.")
@click.option("--erase", type=float, help="Probability of an erased rectangle.")
@click.option("--grid", type=IN, help="Also write a preview picture here.")
def augment(
    call: Call, source: Path, out: Path, root: Path | None, grid: Path | None, **flags: Any
) -> Report:
    """Write changed copies of every image of a list.

    \b
    caffekit augment lists/train.txt -o more --copies 3 --rotate 10 --scale 0.9,1.1
    """
    from caffekit.steps.augment import augment as step

    return step(source, out, call.settings("augment", **flags), call.options, root=root, grid=grid)


COMMANDS: list[click.Command] = [split, balance, augment]
