"""`suggest`: a pipeline.yaml for a set of images, with the reason for each choice."""

from __future__ import annotations

import os
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.errors import DataError
from caffekit.formats.atomic import refuse_existing, write_text
from caffekit.formats.caffe_pb2 import TRAIN, NetParameter
from caffekit.formats.image_list import ImageList, read_source
from caffekit.formats.images import BadImage, decode, silent_decoders
from caffekit.formats.prototxt import parse
from caffekit.graph import filter_net, known_costs
from caffekit.netgen import Data, NetOptions, generate
from caffekit.netgen.advice import (
    Choice,
    Facts,
    Net,
    batch_for,
    data_for,
    loss_for,
    net_for,
    schedule_for,
    side_for,
)
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.net_summary import count, totals_of
from caffekit.steps.net_view import NetView

DEFAULT_OPTIONS = Options()
SAMPLE = 200
FEW = 20  # images that a class should have
COLUMNS = 80
SPARE = 0.6  # of the memory; the rest is the engine's work space and everyone else's
PASSES = 3  # forward, and backward to the values and to the weights
REACHED = 0.5  # of a large product's speed, in the mean of a net's layers


def suggest(
    source: Path,
    gpu_memory: float | None = None,
    task: str = "classify",
    out: Path | None = None,
    options: Options = DEFAULT_OPTIONS,
    *,
    root: Path | None = None,
) -> Report:
    """Settings for the images of `source`, to train on a GPU with `gpu_memory` GB or on this machine's cores.

    Written to `out` where given. DataError where fewer than two classes have images.
    """
    if out:
        refuse_existing(out, options.overwrite)
    images = read_source(source, root)
    facts = look(images, task, options)
    side = side_for(facts)
    net = net_for(facts, int(side.value.split("x")[0]))
    view, totals = _built(facts, net, side.value)
    memory = SPARE * (gpu_memory * 1e9 if gpu_memory else _free_memory())
    fits = int((memory - 3 * totals["parameter_bytes"]) // totals["activation_bytes_train"])
    batch, many, why = batch_for(facts, net, max(1, fits))
    choices = [
        side,
        Choice(
            "gen_lmdb.gray",
            facts.gray,
            "none of the images looked at has colour" if facts.gray else "they have colour",
        ),
        Choice("net.template", net.template, net.why),
        *([Choice("net.depth", net.depth, "layers")] if net.depth else []),
        *loss_for(facts, net),
        Choice("solver.batch_size", batch, why),
        *([Choice("solver.iter_size", many, "batches an update")] if many > 1 else []),
        *schedule_for(facts, net, batch * many),
        *data_for(facts),
    ]
    epochs = next(choice.value for choice in choices if choice.path == "solver.epochs")
    expected = _expected(facts, totals, batch, epochs, None if gpu_memory else _products_a_second())
    text = _yaml(source, images, choices, out)
    if out and not options.dry_run:
        write_text(out, text)
    return _report(facts, choices, expected, text, out, source)


def look(images: ImageList, task: str, options: Options) -> Facts:
    """Count classes, and decode a sample for sizes and colour."""
    counts = Counter(item.label for item in images.items)
    if len(counts) < 2:
        raise DataError(
            "images of at least two classes are needed to tell apart", "give one folder for each class"
        )
    every = max(1, len(images.items) // SAMPLE)
    sides, colours = [], 0
    with silent_decoders():
        for item in images.items[::every]:
            try:
                pixels = decode(images.file(item).read_bytes())
            except (BadImage, OSError):
                continue  # `clean` is the command for that
            sides.append(min(pixels.shape[:2]))
            colours += bool(np.ptp(pixels.reshape(-1, pixels.shape[-1]).astype(np.int16), axis=1).max() > 8)
    if not sides:
        raise DataError("none of the images looked at can be read", "look at them with caffekit clean")
    return Facts(
        images=len(images.items),
        classes=len(counts),
        smallest=min(counts.values()),
        largest=max(counts.values()),
        side=int(np.median(sides)),
        gray=colours == 0,
        task=task,
    )


def _built(facts: Facts, net: Net, size: str) -> tuple[NetView, dict[str, Any]]:
    """The net for one image at a time, and its totals."""
    width, height = map(int, size.split("x"))
    data = Data("db", facts.images, 1 if facts.gray else 3, height, width, facts.classes)
    made = generate(net.template, data, NetOptions(depth=net.depth or None), {"batch_size": 1})
    built = filter_net(parse(made.train_val, NetParameter(), net.template), TRAIN)
    shapes = {built.layer[0].top[0]: (1, data.channels, height, width)}
    shapes |= {top: (1,) for top in built.layer[0].top[1:]}
    view = NetView(built, "TRAIN", known_costs(built, shapes), [])
    return view, totals_of(view, 1)


def _free_memory() -> float:
    return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _products_a_second() -> float:
    """Multiply-adds a second of a large matrix product on these cores."""
    square = np.ones((768, 768), np.float32)
    square @ square
    best = min(_seconds(square) for _ in range(3))
    return square.shape[0] ** 3 / best


def _seconds(square: Any) -> float:
    start = time.perf_counter()
    square @ square
    return time.perf_counter() - start


def _expected(
    facts: Facts, totals: dict[str, Any], batch: int, epochs: int, speed: float | None
) -> dict[str, Any]:
    """Memory, work and, on these cores, time."""
    work = PASSES * totals["macs"] * facts.images * epochs
    memory = batch * totals["activation_bytes_train"] + 3 * totals["parameter_bytes"]
    hours = work / (REACHED * speed) / 3600 if speed else None
    return {"parameters": totals["parameters"], "train_bytes": memory, "macs": work, "hours": hours}


def _yaml(source: Path, images: ImageList, choices: list[Choice], out: Path | None) -> str:
    """pipeline.yaml, each choice under its reason."""
    here = (out.parent if out else Path()).resolve()
    data = {"root": os.path.relpath(images.root, here)}
    if not source.is_dir():
        data = {"list": os.path.relpath(source.resolve(), here), **data}
    lines = [
        "version: 1",
        f"name: {_name(source)}",
        "data:",
        *(f"  {k}: {_scalar(v)}" for k, v in data.items()),
    ]
    sections: dict[str, list[str]] = {}
    for path, value, why in choices:
        section, *keys = path.split(".")
        text = _scalar(value)
        for key in keys[:0:-1]:
            text = f"{{{key}: {text}}}"
        sections.setdefault(section, []).extend(_row(f"  {keys[0]}: {text}", why))
    for section, rows in sections.items():
        lines += [f"{section}:", *rows]
    return "\n".join(lines) + "\n"


def _row(setting: str, why: str) -> list[str]:
    """A setting and its reason, behind it where that fits into a line."""
    line = setting.ljust(30) + f"  # {why}"
    if len(line) <= COLUMNS:
        return [line]
    return [f"  # {part}" for part in textwrap.wrap(why, COLUMNS - 4)] + [setting]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, str) and not value.replace("%", "").replace("_", "").isalnum():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def _name(source: Path) -> str:
    name = "".join(c if c.isalnum() and c.isascii() else "-" for c in source.resolve().stem).strip("-")
    return name or "run"


def _report(
    facts: Facts, choices: list[Choice], expected: dict[str, Any], text: str, out: Path | None, source: Path
) -> Report:
    hours = expected["hours"]
    minutes = f", about {max(1, round(60 * hours))} minutes on these cores" if hours is not None else ""
    memory = f"{expected['train_bytes'] / 2**20:.0f} MiB and the engine's work space"
    lines = [
        f"# {facts.images} images of {facts.classes} classes ({facts.smallest} to {facts.largest} each),"
        f" {facts.side} pixels, {'grey' if facts.gray else 'colour'}",
        f"# {count(expected['parameters'])} parameters, {memory},",
        f"# {count(expected['macs'])} multiply-adds{minutes}",
    ]
    lines += [f"wrote {out}"] if out else text.splitlines()
    warnings = []
    if facts.smallest < FEW:
        warnings.append(
            f"the smallest class has {facts.smallest} images: is it one? some {FEW} are the least"
        )
    summary = {
        "facts": facts.__dict__,
        "config": {choice.path: choice.value for choice in choices},
        "reasons": {choice.path: choice.why for choice in choices},
        "expected": expected,
        "pipeline": text,
    }
    follow = f"caffekit run {out}" if out else f"caffekit suggest {source} -o pipeline.yaml"
    return Report("suggest", summary, lines, warnings, next=follow)
