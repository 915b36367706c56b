"""Commands about networks."""

from __future__ import annotations

import os
from pathlib import Path

import click

from caffekit.cli.common import Call, command
from caffekit.report import Report

PATH = click.Path(path_type=Path)


@command
@click.option("-o", "--out", required=True, type=PATH, help="Folder to write.")
@click.option("--train-db", type=PATH, help="Training LMDB.  [default: WORK/NAME/train_lmdb]")
@click.option("--test-db", type=PATH, help="Validation LMDB.  [default: WORK/NAME/val_lmdb]")
def gen_prototxt(call: Call, out: Path, train_db: Path | None, test_db: Path | None) -> Report:
    """Write train_val, deploy and solver prototxt for the data at hand.

    \b
    caffekit gen-prototxt -c pipeline.yaml -o net
    """
    from caffekit.steps.gen_prototxt import gen_prototxt as step

    return step(out, call.settings(), call.options, train_db=train_db, test_db=test_db)


@command
@click.argument("files", nargs=-1, type=PATH)
@click.option("--solver", type=PATH, help="Solver to check, too.")
@click.option("--db", type=PATH, help="LMDB whose classes and image size count.")
@click.option("--target", metavar="NAME", default="", help="What it shall run on: cv18xx, nnie or rknn.")
@click.option("--data-shape", metavar="C,H,W", help="Of a record, where no LMDB is at hand.")
@click.option("--images", type=click.IntRange(min=1), help="Training images, where no LMDB is at hand.")
@click.option("--classes", type=click.IntRange(min=1), help="Classes, where no LMDB is at hand.")
def lint(
    call: Call,
    files: tuple[Path, ...],
    solver: Path | None,
    db: Path | None,
    target: str,
    data_shape: str | None,
    images: int | None,
    classes: int | None,
) -> Report:
    """Find what is wrong with a net or solver before training.

    Exit 3 if there is an error or a warning; notes are advice.

    \b
    caffekit lint train_val.prototxt --solver solver.prototxt --db train_lmdb
    caffekit lint deploy.prototxt --target rknn
    """
    from caffekit.steps.lint import Facts
    from caffekit.steps.lint import lint as step

    report = step(files, solver, db, target=target, facts=Facts.told(data_shape, images, classes))
    report.lines = [_coloured(line) for line in report.lines]
    return report


COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def _coloured(line: str) -> str:
    """The severity in `line` in its colour; click takes it away again where no terminal reads."""
    if os.environ.get("NO_COLOR"):
        return line
    for severity, colour in COLOURS.items():
        before, mark, after = line.partition(f": {severity}: ")
        if mark and not before.startswith(" "):
            return f"{before}: {click.style(severity, fg=colour)}: {after}"
    return line


@command
@click.argument("code")
def explain(call: Call, code: str) -> Report:
    """Say what a lint rule, an exit code or a loss of 87.3365 means.

    \b
    caffekit explain pooling-window
    caffekit explain 87.3365
    """
    from caffekit.steps.explain import explain as step

    return step(code)


@command
@click.argument("source", type=PATH)
@click.option("--root", type=PATH, help="What the list's paths are relative to.")
@click.option("--gpu-memory", type=click.FloatRange(min=0.1), metavar="GB", help="Of the card to train on.")
@click.option("--task", type=click.Choice(["classify", "verify"]), default="classify", show_default=True)
@click.option("-o", "--out", type=PATH, help="Write the pipeline.yaml.  [default: print it]")
def suggest(
    call: Call, source: Path, root: Path | None, gpu_memory: float | None, task: str, out: Path | None
) -> Report:
    """Choose net, input size, batch and schedule for a set of images, each with its reason.

    \b
    caffekit suggest raw --gpu-memory 8 -o pipeline.yaml
    """
    from caffekit.steps.suggest import suggest as step

    return step(source, gpu_memory, task, out, call.options, root=root)


COMMANDS: list[click.Command] = [gen_prototxt, lint, explain, suggest]
