"""Keep the weights that tested best."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from caffekit.formats.atomic import atomic_file
from caffekit.runs.layout import RunDir, read_json, write_json

Event = dict[str, Any]


class Best:
    """Copies the best snapshot's weights to best.caffemodel, with best.json beside it.

    `output` is an output of the first test net; a loss is better when smaller, anything else when larger.
    None: there is nothing to compare, the newest weights are kept.
    """

    def __init__(self, run: RunDir, output: str | None, keep: int = 1) -> None:
        self.run, self.output, self.keep = run, output, keep
        self.info: dict[str, Any] = read_json(self.run.path / "best.json")
        self.tested: dict[int, Event] = {}
        self.models: dict[int, Path] = {}
        self.lower = False

    @property
    def value(self) -> float | None:
        """The best value so far."""
        value = self.info.get("value")
        return None if value is None else float(value)

    def observe(self, event: Event) -> None:
        """Take an event; the copy is made once an iteration is both tested and written."""
        kind, iteration = event.get("event"), int(event.get("iter", 0))
        if kind == "test" and event.get("net") == 0 and self.output in (event.get("outputs") or {}):
            self.lower = self.output in (event.get("losses") or {})
            self.tested[iteration] = event
        elif kind == "snapshot" and event.get("finite", True):
            self.models[iteration] = Path(event["model"])
        else:
            return
        if iteration in self.models and iteration in self.tested:
            self._consider(iteration)

    def forget_after(self, iteration: int) -> None:
        """Training starts again from `iteration`: what was tested and written later is no more."""
        self.tested = {it: event for it, event in self.tested.items() if it <= iteration}
        self.models = {it: path for it, path in self.models.items() if it <= iteration}

    def _consider(self, iteration: int) -> None:
        value = self._value(iteration)
        before = self.value
        if math.isnan(value) or (before is not None and not self._better(value, before)):
            return
        outputs = {name: values[0] for name, values in self.tested[iteration]["outputs"].items() if values}
        self._copy(iteration, {"metric": self.output, "value": value, "metrics": outputs})

    def _copy(self, iteration: int, what: dict[str, Any]) -> None:
        with atomic_file(self.run.best_model) as temporary:
            shutil.copyfile(self.models[iteration], temporary)
        self.info = {"iter": iteration, **what}
        write_json(self.run.path / "best.json", self.info)

    def _value(self, iteration: int) -> float:
        return float(self.tested[iteration]["outputs"][self.output][0])

    def _better(self, value: float, than: float) -> bool:
        return value < than if self.lower else value > than

    def kept(self) -> list[int]:
        """The iterations whose snapshots stay: the `keep` best of those tested."""
        both = [it for it in self.tested if it in self.models and not math.isnan(self._value(it))]
        return sorted(both, key=self._value, reverse=not self.lower)[: self.keep]

    def finish(self) -> None:
        """Without any test, the newest weights are the best there are."""
        if self.models and not self.info.get("metric"):
            self._copy(max(self.models), {"metrics": {}})
