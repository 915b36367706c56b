"""What a diagnosis knows (evidence), and what it says (causes with a remedy)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from caffekit.diagnosis.observation import Observation
from caffekit.diagnosis.watch import Verdict


@dataclass
class Cause:
    """One possible cause.

    `remedy` always has "do" (a sentence); where a machine can carry it out also "set": {"base_lr": x},
    {"clip_gradients": x} or {"loss_weight": {output: x}}.
    """

    cause: str
    confidence: float
    evidence: list[str]
    remedy: dict[str, Any]
    layer: str | None = None
    loss: str | None = None
    records: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The entry of `causes` in --json; places only where there are some."""
        out: dict[str, Any] = {"cause": self.cause, "confidence": round(self.confidence, 2)}
        places = {"layer": self.layer, "loss": self.loss, "records": self.records}
        out |= {key: value for key, value in places.items() if value}
        return {**out, "evidence": self.evidence, "remedy": self.remedy}


@dataclass
class Labels:
    """What the labels of one database are: how many outside 0 … classes-1, with examples."""

    db: str
    classes: int
    records: int
    outside: int
    examples: list[str] = field(default_factory=list)


@dataclass
class Evidence:
    """All that is known; every part may be missing. `solver` and `net` are SolverParameter, NetParameter."""

    verdict: Verdict
    seen: list[Observation] = field(default_factory=list)
    last_healthy: int | None = None
    solver: Any = None
    net: Any = None
    base_lr: float | None = None
    fatals: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    """Functions on the stack of a crash."""
    labels: list[Labels] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """(C, H, W) of the data by phase: {"TRAIN": …}."""
    bad_weights: dict[str, list[str]] = field(default_factory=dict)
    """Non-finite blobs by file."""

    @property
    def bad(self) -> bool:
        """The training broke (as opposed to healthy, overfitting, crashed, …)."""
        return self.verdict.kind in ("diverged", "stuck")

    @cached_property
    def healthy(self) -> list[Observation]:
        """The displays before it broke."""
        return [each for each in self.seen if each.iter < self.verdict.at_iteration]

    @property
    def at_once(self) -> bool:
        """It was broken before the first update, so that no learning rate can be to blame."""
        return self.bad and self.verdict.at_iteration == 0

    @property
    def lr(self) -> float | None:
        """The learning rate as it broke: the last one shown, else the solver's."""
        until = self.verdict.at_iteration
        shown = [each.lr for each in self.seen if each.lr is not None and each.iter <= until]
        if shown:
            return shown[-1]
        if self.base_lr is not None:
            return self.base_lr
        return float(self.solver.base_lr) if self.solver is not None else None

    @cached_property
    def climb(self) -> list[Observation]:
        """The last displays before it broke, as far back as each loss is higher than the one before."""
        rising: list[Observation] = []
        for each in reversed(self.healthy[-20:]):
            if not math.isfinite(each.value) or (rising and each.value >= rising[0].value):
                break
            rising.insert(0, each)
        return rising if len(rising) > 1 else []

    @property
    def weights(self) -> dict[str, float]:
        """The loss outputs with their loss_weight."""
        return next((each.weights for each in self.seen if each.weights), {})

    def layers(self, *types: str) -> list[Any]:
        """The net's layers of these types."""
        return [layer for layer in (self.net.layer if self.net is not None else []) if layer.type in types]
