"""`net summary`: what a net is made of, how large it is, and what a pass costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from caffekit.errors import UsageError
from caffekit.graph import insert_splits
from caffekit.graph.parameters import Cost
from caffekit.report import Report
from caffekit.steps.net_view import NetView, Shape, view_net

FLOAT = 4  # bytes
STATISTICS = {"BatchNorm"}
"""Types whose parameters are measured, not learned."""

UNITS = ("", "k", "M", "G", "T", "P", "E")


def net_summary(path: Path, phase: str | None = None, image: Shape | None = None) -> Report:
    """Each layer's output, parameters and multiply-adds, and the totals; arguments and errors as view_net.

    UsageError where not one shape is known.
    """
    view = view_net(path, phase, image)
    if all(why for _, why in view.layers):
        raise UsageError(f"{path}: no shape is known", "give --image CHANNELSxHEIGHTxWIDTH of what it reads")
    batch = _batch(view)
    totals = totals_of(view, batch)
    layers = [_row(layer, cost, why) for layer, (cost, why) in zip(view.net.layer, view.layers, strict=True)]
    unknown = [f"{row['name']}: {row['unknown']}" for row in layers if row["unknown"]]
    summary = {"net": view.net.name, "phase": view.phase, "batch": batch, "layers": layers, "totals": totals}
    lines = [*_table(layers, batch), "", *_words(view, totals, batch)]
    if unknown:
        lines.append(f"{len(unknown)} layers are not counted; the first is {unknown[0]}")
    return Report("net summary", summary, lines, warnings=view.notes)


def _row(layer: Any, cost: Cost, why: str) -> dict[str, Any]:
    return {
        "name": cost.name,
        "type": cost.type,
        "bottoms": list(layer.bottom),
        "tops": list(layer.top),
        "shapes": [list(shape) for shape in cost.tops],
        "params": [list(shape) for shape in cost.params],
        "parameters": cost.parameters,
        "macs": cost.macs,
        "unknown": why,
    }


def _batch(view: NetView) -> int:
    """Images in a batch: the first axis of what enters first."""
    shapes = [cost.tops[0] for cost, _ in view.layers if cost.tops and cost.tops[0]]
    return shapes[0][0] if shapes else 0


def totals_of(view: NetView, batch: int) -> dict[str, Any]:
    """Parameters, multiply-adds and bytes of a net whose batch has `batch` images."""
    costs = [cost for cost, _ in view.layers]
    parameters = sum(cost.parameters for cost in costs)
    statistics = sum(cost.parameters for cost in costs if cost.type in STATISTICS)
    macs = sum(cost.macs for cost in costs)
    data, gradients = _activations(view)
    return {
        "parameters": parameters,
        "statistics": statistics,
        "learned": parameters - statistics,
        "parameter_bytes": FLOAT * parameters,
        "macs": macs,
        "macs_per_image": macs // batch if batch else 0,
        "activation_bytes_test": FLOAT * data,
        "activation_bytes_train": FLOAT * (data + gradients),
        "train_bytes": FLOAT * (data + gradients + 3 * parameters),
    }


def _activations(view: NetView) -> tuple[int, int]:
    """Numbers in the values and in the gradients of all blobs.

    A blob changed in place is one; the copies that Caffe makes of a blob with several consumers share its
    values, not its gradients.
    """
    counts: dict[str, int] = {}
    for layer, (cost, _) in zip(view.net.layer, view.layers, strict=True):
        for top, shape in zip(layer.top, cost.tops, strict=False):
            counts[top] = math.prod(shape)
    names = {layer.name for layer in view.net.layer}
    copies = [layer for layer in insert_splits(view.net).layer if layer.name not in names]
    more = sum(len(split.top) * counts.get(split.bottom[0], 0) for split in copies)
    return sum(counts.values()), sum(counts.values()) + more


def _table(layers: list[dict[str, Any]], batch: int) -> list[str]:
    """At most 80 columns."""
    lines = [f"{'layer':<28} {'type':<15} {'output (1 image)':<16} {'params':>8} {'mult-adds':>9}"]
    for row in layers:
        shape = row["shapes"][0] if row["shapes"] else None
        output = "?" if row["unknown"] else _shape(shape, batch)
        lines.append(
            f"{_short(row['name'], 28):<28} {_short(row['type'], 15):<15} {output:<16}"
            f" {count(row['parameters']):>8} {count(row['macs'] // (batch or 1)):>9}"
        )
    return lines


def _shape(shape: list[int] | None, batch: int) -> str:
    if shape is None:
        return ""
    own = shape[1:] if shape and shape[0] == batch else shape
    return "x".join(str(size) for size in own) or "1"


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 8]}…{text[-7:]}"


def count(number: int) -> str:
    """Three digits and a unit: 61.0M; nothing for 0."""
    if not number:
        return ""
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g}{UNITS[unit]}" if unit else str(number)


def mebibytes(size: int) -> str:
    """For people."""
    return f"{size / 2**20:.1f} MiB"


def _words(view: NetView, totals: dict[str, Any], batch: int) -> list[str]:
    means = f", and {totals['statistics']:,} means and variances" if totals["statistics"] else ""
    return [
        f"{view.net.name or 'net'} at {view.phase}, {len(view.layers)} layers, batch of {batch}",
        f"  {totals['learned']:,} learned parameters{means}: {mebibytes(totals['parameter_bytes'])}",
        f"  {count(totals['macs_per_image']) or '0'} multiply-adds per image forward",
        f"  blobs: {mebibytes(totals['activation_bytes_test'])} for values,"
        f" {mebibytes(totals['activation_bytes_train'])} with gradients",
        f"  training with momentum: {mebibytes(totals['train_bytes'])}, without the engine's work space",
    ]
