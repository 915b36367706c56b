"""Stop when a test metric has not improved for so many tests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class EarlyStop:
    """`metric` is a test output; losses are better when smaller, everything else when larger.

    `patience` tests without improvement end the training; None never does.
    """

    metric: str = "accuracy"
    patience: int | None = None
    best: float | None = None
    best_iter: int | None = None
    waited: int = 0

    def observe(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when training should stop. Only the first test net counts."""
        if event.get("event") != "test" or event.get("net", 0) != 0:
            return False
        values = (event.get("outputs") or {}).get(self.metric)
        if not values:
            return False
        value = float(values[0])
        lower = self.metric in (event.get("losses") or {})
        better = self.best is None or (value < self.best if lower else value > self.best)
        if better and not math.isnan(value):
            self.best, self.best_iter, self.waited = value, int(event["iter"]), 0
        else:
            self.waited += 1
        return self.patience is not None and self.waited >= self.patience
