"""What one display or test says, whether a log line or a worker's event said it, and what is bad in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from caffekit.formats.log_reader import Row

SATURATED = 87.33654
"""-log(FLT_MIN): what SoftmaxWithLoss gives a sample whose true class has probability 0."""


@dataclass(frozen=True)
class Observation:
    """One look at a training: the loss, each loss output (unweighted) and its weight, and more."""

    iter: int
    loss: float | None = None
    """The weighted sum over all losses."""
    lr: float | None = None
    losses: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    grad_norm: float | None = None
    nonfinite: bool = False
    """Somewhere since the last look: in a loss, a gradient or a weight."""
    iters: int = 1
    """Iterations since the last look …"""
    saturated: int = 0
    """… and how many of them stood at 87.3365."""
    loss_max: float | None = None
    """Largest loss since the last look."""
    dead: dict[str, float] = field(default_factory=dict)
    """Share of dead units per ReLU layer."""

    @property
    def value(self) -> float:
        """The total loss: as printed, else the sum of what is known."""
        if self.loss is not None:
            return self.loss
        return sum(value * self.weights.get(name, 1) for name, value in self.losses.items())


def from_row(row: Row) -> Observation:
    """The observation in a row of a log."""
    losses = {row.label(key): row.outputs[key] for key in row.weights if key in row.outputs}
    if not row.weights:  # before 2014-09 neither names nor weights were printed; #1 was the loss by habit
        losses = {name: value for (_, name), value in row.outputs.items() if name in ("score#1", "loss")}
    weights = {row.label(key): weight for key, weight in row.weights.items()}
    return Observation(row.iter, row.loss, row.lr, losses, weights)


def from_event(event: Mapping[str, Any], weights: Mapping[str, float]) -> Observation:
    """The observation in a worker's `display` event; `weights` are the `losses` of its `start` event."""
    outputs = event.get("outputs") or {}
    losses = {name: _total(outputs[name]) for name in weights if outputs.get(name)}
    since = event.get("since") or {}
    counts = event.get("nonfinite") or {}
    return Observation(
        iter=int(event["iter"]),
        loss=number(event.get("loss")),
        lr=number(event.get("lr")),
        losses=losses,
        weights=dict(weights),
        grad_norm=number(event.get("grad_norm")),
        nonfinite=bool(since.get("nonfinite") or counts.get("grads") or counts.get("weights")),
        iters=int(since.get("iters") or 1),
        saturated=int(since.get("saturated") or 0),
        loss_max=number(since.get("loss_max")),
        dead={name: float(share) for name, share in (event.get("dead") or {}).items()},
    )


def number(value: Any) -> float | None:
    """A number of an event, where nan and infinities are strings."""
    return None if value is None else float(value)


def _total(values: Iterable[Any]) -> float:
    """The sum of an output's elements, as it enters the loss."""
    return sum(float(value) for value in values)


def non_finite(seen: Observation) -> list[str]:
    """The losses that are nan or infinite; ["total"] where only the sum is."""
    names = [name for name, value in seen.losses.items() if not math.isfinite(value)]
    if not names and seen.loss is not None and not math.isfinite(seen.loss):
        return ["total"]
    return names


def saturated(seen: Observation, batch_size: int | None = None) -> dict[str, float]:
    """The losses that stand at 87.3365, or at a share of the batch of it: {loss: share}."""
    named = seen.losses or ({"total": seen.loss} if seen.loss is not None else {})
    shares = {name: saturated_share(value, batch_size) for name, value in named.items()}
    return {name: share for name, share in shares.items() if share}


def saturated_share(value: float, batch_size: int | None = None) -> float:
    """Which share of the batch is saturated when the loss is `value`: 1 at 87.3365, 0.5 at 43.668; else 0.

    Only exact shares count: of the batch where its size is known, else halves, thirds and quarters.
    """
    if not math.isfinite(value):
        return 0.0
    if abs(value - SATURATED) < 1e-3:
        return 1.0
    for size in [batch_size] if batch_size else [2, 3, 4]:
        part = value / SATURATED * size
        if 1 <= round(part) < size and abs(part - round(part)) < 1e-5 * size:
            return round(part) / size
    return 0.0
