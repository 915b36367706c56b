"""Data preparation: from a folder of images to an LMDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caffekit.cli.common import Call, command
from caffekit.cli.convert_imageset import convert_imageset_options, gen_lmdb_words
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


class Names(click.ParamType[list[str]]):
    """NAME,NAME,… as a list."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The names between the commas."""
        return [name.strip() for name in str(value).split(",") if name.strip()]


class Limit(click.ParamType[tuple[str, float]]):
    """CHECK=NUMBER."""

    name = "check=number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """The check's name and its threshold."""
        name, _, number = str(value).partition("=")
        try:
            return name, float(number)
        except ValueError:
            self.fail(f"expected CHECK=NUMBER such as blurry=0.1, got {value!r}", param, ctx)


def number_or_text(value: str | None) -> int | str | None:
    """A count as a number; words and percentages as they are."""
    return int(value) if value and value.isdigit() else value


@command
@click.argument("source", type=IN, required=False)
@OUT
@ROOT
@click.option("--apply", "review", type=IN, help="Instead of SOURCE: a reviewed CSV of an earlier result.")
@click.option(
    "--benchmark", type=IN, multiple=True, help="No image of this set may stand in SOURCE (repeatable)."
)
@click.option(
    "--near-distance", type=int, help="Bits of 64 in which hashes of copies may differ.  [default: 8]"
)
@click.option("--min-size", type=int, help="Pixels of the shorter side.  [default: 32]")
@click.option("--limit", "limits", type=Limit(), multiple=True, help="A check's threshold (repeatable).")
@click.option("--checks", type=Names(), metavar="A,B", help="Only these checks.")
@click.option("--skip", type=Names(), metavar="A,B", help="All checks but these.")
@click.option("--labels/--no-labels", default=None, help="Look for wrong labels.  [default: labels]")
@click.option("--labels-by", type=click.Choice(["auto", "edges", "net"]), help="By what.  [default: auto]")
@click.option("--features", type=IN, help="Features to judge labels by: .npz of extract, .npy, HDF5, LMDB.")
@click.option("--list-only", "mode", flag_value="list", default=None, help="Write lists only.  [default]")
@click.option("--copy", "mode", flag_value="copy", help="Also copy the kept images to OUT/images.")
@click.option("--link", "mode", flag_value="link", help="Also hard-link them there.")
@click.option("--max-rejected", metavar="N|P%", help="Exit 4 if more are rejected than this.")
def clean(
    call: Call, source: Path | None, out: Path, root: Path | None, review: Path | None, **flags: Any
) -> Report:
    """Find broken, bad, duplicate and mislabelled images.

    \b
    caffekit clean data/raw -o clean --benchmark data/bench
    caffekit clean --apply clean/review.csv -o reviewed
    """
    from caffekit.steps.clean import clean as step
    from caffekit.steps.clean_review import apply_review

    flags["benchmark"] = list(flags["benchmark"]) or None
    flags["limits"] = dict(flags["limits"]) or None
    flags["max_rejected"] = number_or_text(flags["max_rejected"])
    settings = call.settings("clean", **flags)
    if source and not review:
        return step(source, out, settings, call.options, root=root)
    if review and not source:
        return apply_review(review, out, settings, call.options, root=root)
    raise click.UsageError("expected SOURCE or --apply REVIEW.CSV, one of them")


@command
@click.argument("source", type=IN)
@OUT
@ROOT
@click.option("--val", type=float, help="Share of the validation list.  [default: 0.1]")
@click.option("--test", type=float, help="Share of the test list.  [default: 0]")
@click.option(
    "--group-by",
    multiple=True,
    metavar="RULE",
    help="duplicates|folder|regex:PATTERN|csv:FILE|column:NAME (repeatable).",
)
@click.option("--folds", type=int, help="K folds instead of a validation list.")
def split(call: Call, source: Path, out: Path, root: Path | None, **flags: Any) -> Report:
    """Carve a validation list (and a test list) out of a training set.

    \b
    caffekit split data/raw -o lists --val 0.1 --test 0.1
    """
    from caffekit.steps.split import split as step

    flags["group_by"] = list(flags["group_by"]) or None
    return step(source, out, call.settings("split", **flags), call.options, root=root)


@command
@click.argument("source", type=IN)
@OUT
@ROOT
@click.option("--method", metavar="METHOD", help="oversample|jitter|undersample|hybrid")
@click.option("--target", metavar="COUNT", help="max|min|median|mean or a number.  [default: max]")
@click.option("--max-repeat", type=int, help="No image is used more often than this.")
@click.option("--features", type=IN, help="An .npz of extract: keep hard and varied images, not random ones.")
@click.option(
    "--held-out", type=IN, multiple=True, help="No image of this list may be in SOURCE (repeatable)."
)
def balance(call: Call, source: Path, out: Path, root: Path | None, **flags: Any) -> Report:
    """Even out the class counts of a training list.

    \b
    caffekit balance lists/train.txt -o balanced --method jitter --target median
    """
    from caffekit.steps.balance import balance as step

    flags["target"] = number_or_text(flags["target"])
    flags["held_out"] = list(flags["held_out"]) or None
    return step(source, out, call.settings("balance", **flags), call.options, root=root)


@command
@click.argument("source", type=IN)
@OUT
@ROOT
@click.option("--copies", type=int, help="Changed copies per image.")
@click.option("--crop", type=Range(), help="Side of a random crop as a share of the image.")
@click.option("--scale", type=Range(), help="Random zoom.")
@click.option("--rotate", type=float, help="Random rotation, degrees either way.")
@click.option("--shear", type=float, help="Random slant, degrees either way.")
@click.option("--border", metavar="RULE", help="edge|reflect|mean fills what comes in.  [default: edge]")
@click.option("--flip", is_flag=True, default=None, help="Mirror every second image.")
@click.option("--color", type=float, help="Brightness, contrast and saturation, up to this share.")
@click.option("--noise", type=float, help="Gaussian noise, grey levels.")
@click.option("--blur", type=float, help="Gaussian blur, pixels.")
@click.option("--erase", type=float, help="Probability of an erased rectangle.")
@click.option("--jpeg", type=Range(), help="JPEG artefacts, quality from … to.")
@click.option("--encode", metavar="KIND", help="png|jpg for the copies.  [default: png]")
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


FIT = click.option("--fit", metavar="RULE", help="squash|crop|pad into --resize.  [default: squash]")
RESIZE = click.option("--resize", metavar="WxH", help="Size in pixels.")
GRAY = click.option("--gray", is_flag=True, default=None, help="One channel instead of three.")


@command
@click.argument("paths", nargs=-1, required=True, type=IN, metavar="SOURCE | ROOT/ LIST DB")
@click.option("-o", "--out", type=IN, help="The LMDB to write.")
@ROOT
@RESIZE
@click.option("--resize-short", type=int, help="Scale the shorter side to this many pixels instead.")
@FIT
@click.option("--encode", metavar="KIND", help="raw|jpg|png.  [default: raw]")
@click.option("--quality", type=int, help="JPEG quality.  [default: 95]")
@click.option("--gray", "-gray", is_flag=True, default=None, help="One channel instead of three.")
@click.option("--shuffle/--no-shuffle", "-shuffle/ ", default=None, help="Order by the seed.  [default: yes]")
@click.option("--mean/--no-mean", default=None, help="Compute mean and deviation.  [default: yes]")
@click.option("--preprocess", type=IN, help="Follow the training set's contract; compute no mean.")
@click.option("--pairs", type=IN, help="Pairs or triplets of SOURCE's images, one record each.")
@click.option("--label-store", metavar="KIND", help="lmdb|hdf5, for a CSV's several labels.  [default: lmdb]")
@click.option("--verify/--no-verify", default=None, help="Check files kept as they are.  [default: yes]")
@click.option("--max-rejected", metavar="N|P%", help="Unreadable images allowed.  [default: none]")
@convert_imageset_options
def gen_lmdb(call: Call, paths: tuple[Path, ...], **given: Any) -> Report:
    """Write an LMDB for Caffe's Data layer, its mean and its preprocessing contract.

    \b
    caffekit gen-lmdb lists/train.txt -o train_lmdb --resize 32x32
    caffekit gen-lmdb lists/val.txt -o val_lmdb --preprocess train_lmdb.preprocess.yaml
    caffekit gen-lmdb points.csv -o points_lmdb --label-store hdf5
    caffekit gen-lmdb --resize_width 32 --resize_height 32 images/ train.txt train_lmdb
    """
    from caffekit.steps.gen_lmdb import gen_lmdb as step

    places, flags = gen_lmdb_words(paths, given)
    return step(settings=call.settings("gen_lmdb", **flags), options=call.options, **places)


@command
@click.argument("source", metavar="DB|SOURCE", type=IN)
@click.option("-o", "--out", required=True, type=IN, help="The .binaryproto to write.")
@ROOT
@RESIZE
@FIT
@GRAY
def mean(call: Call, source: Path, out: Path, root: Path | None, **flags: Any) -> Report:
    """Compute the mean image of an LMDB, a list or a folder.

    \b
    caffekit mean train_lmdb -o mean.binaryproto
    """
    from caffekit.steps.mean import mean as step

    return step(source, out, call.settings("gen_lmdb", **flags), call.options, root=root)


@command
@click.argument("database", metavar="DB", type=IN)
@click.option("--num-classes", type=click.IntRange(min=1), help="Labels must be below this.")
def check(call: Call, database: Path, num_classes: int | None) -> Report:
    """Parse and decode every record; exit 3 if something is wrong.

    \b
    caffekit db check train_lmdb --num-classes 10
    """
    from caffekit.steps.db import check as step

    return step(database, num_classes, call.options)


@command
@click.argument("database", metavar="DB", type=IN)
@click.option("--grid", type=IN, help="Also draw the records into this PNG file.")
@click.option("--limit", type=click.IntRange(min=1), default=16, show_default=True, help="Records to show.")
def show(call: Call, database: Path, grid: Path | None, limit: int) -> Report:
    """List the first records, and draw them.

    \b
    caffekit db show train_lmdb --grid grid.png --limit 25
    """
    from caffekit.steps.db import show as step

    return step(database, grid, limit, call.options)


@click.group()
def db() -> None:
    """Look into an LMDB."""


db.add_command(check)
db.add_command(show)

COMMANDS: list[click.Command] = [clean, split, balance, augment, gen_lmdb, db, mean]
