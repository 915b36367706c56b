"""Commands about networks."""

from __future__ import annotations

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
def lint(call: Call, files: tuple[Path, ...], solver: Path | None, db: Path | None) -> Report:
    """Find what is wrong with a net or solver before training; exit 3 if anything is.

    \b
    caffekit lint train_val.prototxt --solver solver.prototxt --db train_lmdb
    """
    from caffekit.steps.lint import lint as step

    return step(list(files), solver, db)


COMMANDS: list[click.Command] = [gen_prototxt, lint]
