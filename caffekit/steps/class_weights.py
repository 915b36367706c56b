"""Class weights and label smoothing: the matrix that InfogainLoss weighs the softmax's cross entropy by."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from caffekit.config.schema import Settings
from caffekit.errors import UsageError
from caffekit.formats.datum import parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.netgen import TEMPLATES, Data, NetOptions
from caffekit.netgen.infogain import infogain_matrix

FILE = "infogain.binaryproto"


def weigh_classes(
    settings: Settings, net: str | Path, data: Data, options: NetOptions, out: Path
) -> tuple[NetOptions, Any, list[str]]:
    """`options` with a loss that reads OUT/infogain.binaryproto, that matrix, and a line about it.

    The matrix is None, and nothing changes, where neither weights nor smoothing are asked for.
    UsageError: another loss than softmax, or weights that are not one for each class.
    """
    wanted, smoothing = settings.net.class_weights, settings.net.label_smoothing
    if wanted is None and not smoothing:
        return options, None, []
    what = "net.class_weights" if wanted is not None else "net.label_smoothing"
    own = TEMPLATES[net].loss if isinstance(net, str) and net in TEMPLATES else "softmax"
    loss = options.loss or own
    if isinstance(net, Path):
        raise UsageError(
            f"{what}: {net} has a loss of its own", "write InfogainLoss into it, or take a template"
        )
    if loss != "softmax":
        raise UsageError(f"{what} weighs the softmax, but the loss is {loss}", "leave one of the two out")
    counts = label_counts(data) if wanted == "balanced" else ()
    weights = wanted if isinstance(wanted, list) else ()
    matrix = infogain_matrix(data.classes, class_weights=weights, counts=counts, smoothing=smoothing)
    heaviest, lightest = matrix.sum(1).max(), matrix.sum(1).min()
    told = [f"classes weigh {lightest:.3g} to {heaviest:.3g}"] if wanted is not None else []
    told += [f"labels are smoothed by {smoothing:g}"] if smoothing else []
    chosen = {**options.loss_options, "infogain": str(out / FILE)}
    return replace(options, loss_options=chosen), matrix, [f"{', '.join(told)} ({FILE})"]


def label_counts(data: Data) -> list[int]:
    """Images of each class in the training LMDB. UsageError for a class that has none."""
    with LmdbReader(Path(data.train)) as reader:
        found = Counter(parse_datum(value, data.train).label for _, value in reader.records())
    missing = [label for label in range(data.classes) if not found[label]]
    if missing:
        raise UsageError(
            f"net.class_weights: {data.train} has no image of class {missing[0]}",
            "a class without images cannot be balanced: give the weights as a list",
        )
    return [found[label] for label in range(data.classes)]
