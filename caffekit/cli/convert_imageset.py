"""Caffe's own words for gen-lmdb: `[--resize_width W] … ROOT/ LIST DB`, as convert_imageset takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_TYPES = click.Choice(["jpg", "png"])
OPTIONS = {
    "resize_width": click.option("--resize_width", "-resize_width", type=int, default=0, hidden=True),
    "resize_height": click.option("--resize_height", "-resize_height", type=int, default=0, hidden=True),
    "encoded": click.option("--encoded", "-encoded", is_flag=True, hidden=True),
    "encode_type": click.option("--encode_type", "-encode_type", type=_TYPES, hidden=True),
    # These two change nothing: sizes are always checked, and LMDB is all there is.
    "check_size": click.option("--check_size", "-check_size", is_flag=True, hidden=True),
    "backend": click.option("--backend", "-backend", type=click.Choice(["lmdb"]), hidden=True),
}


def convert_imageset_options(body: Any) -> Any:
    """The options that only convert_imageset has."""
    for option in OPTIONS.values():
        body = option(body)
    return body


def gen_lmdb_words(paths: tuple[Path, ...], given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Either spelling in our words: the step's arguments, and the flags of its settings."""
    caffe = {name: given.pop(name) for name in OPTIONS}
    places = {"root": given.pop("root"), "out": given.pop("out")}
    if len(paths) == 3 and not (places["root"] or places["out"]):
        places = {"root": paths[0], "source": paths[1], "out": paths[2]}
        given["shuffle"] = bool(given["shuffle"])  # Caffe keeps the list's order unless told otherwise
    elif len(paths) == 1 and places["out"]:
        places["source"] = paths[0]
    else:
        raise click.UsageError("expected SOURCE -o DB, or ROOT/ LIST DB as convert_imageset has it")
    if bool(caffe["resize_width"]) != bool(caffe["resize_height"]):
        raise click.UsageError("--resize_width and --resize_height go together (Caffe ignores one alone)")
    if caffe["resize_width"]:
        given["resize"] = f"{caffe['resize_width']}x{caffe['resize_height']}"
    if caffe["encoded"] or caffe["encode_type"]:
        given["encode"] = caffe["encode_type"] or "jpg"
    if (given["max_rejected"] or "").isdigit():
        given["max_rejected"] = int(given["max_rejected"])
    return {**places, "as_files": caffe["encoded"] and not caffe["encode_type"]}, given
