"""The matrix of InfogainLoss that weighs classes and smooths labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import UsageError
from caffekit.formats.binaryproto import write_mean


def infogain_matrix(
    classes: int, *, class_weights: Sequence[float] = (), counts: Sequence[int] = (), smoothing: float = 0
) -> NDArray[np.float32]:
    """H (classes, classes) for InfogainLoss: row k is w_k ((1 - smoothing) e_k + smoothing / classes).

    Label smoothing: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016. The weights w are
    scaled to have the mean 1 over the images (`counts`: images per class; else over the classes), so that the
    loss, and with it base_lr, keeps its size. From `counts` alone they make all classes weigh the same.
    UsageError: a weight or count that is not above 0, or not one per class; smoothing outside 0 … 1.
    """
    for what, values in (("class_weights", class_weights), ("counts", counts)):
        if len(values) not in (0, classes) or any(not value > 0 for value in values):
            raise UsageError(f"{what}: expected {classes} numbers above 0, one per class, got {list(values)}")
    if not 0 <= smoothing < 1:
        raise UsageError(f"smoothing must be from 0 to less than 1, got {smoothing:g}")
    share = np.array(counts or np.ones(classes), float)
    weights = np.array(class_weights or (1 / share if len(counts) else np.ones(classes)), float)
    weights *= share.sum() / (share * weights).sum()
    rows = (1 - smoothing) * np.eye(classes) + smoothing / classes
    return np.asarray(weights[:, None] * rows, np.float32)


def write_infogain(path: Path, matrix: NDArray[np.float32]) -> None:
    """Write the matrix as InfogainLoss reads it."""
    write_mean(path, matrix[np.newaxis])
