"""A worker that is not there: canned events, and an engine that plays them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffekit.diagnosis.attempt import AttemptPlan, Observe

Event = dict[str, Any]


def start(losses: dict[str, float] | None = None, batch_size: int | None = 64) -> Event:
    return {"v": 1, "event": "start", "iter": 0, "losses": losses or {"loss": 1}, "batch_size": batch_size}


def display(it: int, loss: Any, lr: float = 0.01, **more: Any) -> Event:
    event = {"v": 1, "event": "display", "iter": it, "loss": loss, "lr": lr, "outputs": {"loss": [loss]}}
    event["since"] = {"iters": 1 if it == 0 else 10, "loss_max": loss, "nonfinite": 0, "saturated": 0}
    event |= {"grad_norm": 1.0, "weight_norm": 10.0, "nonfinite": {"outputs": 0, "grads": 0, "weights": 0}}
    return {**event, **more}


def since(**counts: Any) -> Event:
    return {"since": {"iters": 10, "loss_max": 1.0, "nonfinite": 0, "saturated": 0, **counts}}


def alarm(it: int) -> Event:
    return {"v": 1, "event": "alarm", "iter": it, "loss": "nan", "outputs": {"loss": ["nan"]}}


def snapshot(it: int, finite: bool = True) -> Event:
    paths = {"model": f"s_iter_{it}.caffemodel", "state": f"s_iter_{it}.solverstate"}
    return {"v": 1, "event": "snapshot", "iter": it, "finite": finite, **paths}


def scored(it: int, accuracy: float) -> Event:
    outputs = {"accuracy": [accuracy], "loss": [1 - accuracy]}
    return {"v": 1, "event": "test", "iter": it, "net": 0, "outputs": outputs, "losses": {"loss": 1}}


def falling(first: int, last: int, step: int = 10) -> list[Event]:
    """Displays of a healthy training: the loss falls from ln 10."""
    return [display(it, 2.3 / (1 + it / 50)) for it in range(first, last + 1, step)]


@dataclass
class End:
    reason: str = "done"
    message: str = ""


class Engine:
    """Plays one script of events per attempt, obeys "stop" and "abort", and remembers the plans."""

    def __init__(self, *scripts: Iterable[Event], ends: tuple[End, ...] = ()) -> None:
        self.scripts = list(scripts)
        self.ends = list(ends)
        self.plans: list[AttemptPlan] = []
        self.said: list[str] = []

    def __call__(self, plan: AttemptPlan, observe: Observe) -> End:
        self.plans.append(plan)
        end = self.ends[len(self.plans) - 1] if len(self.plans) <= len(self.ends) else End()
        for event in self.scripts[len(self.plans) - 1]:
            order = observe(event)
            if order:
                self.said.append(order)
                return End("stopped")
        return end


def all_finite(path: Path) -> list[str]:
    return []


def broken(*names: str) -> Callable[[Path], list[str]]:
    """A finiteness check that finds something in the named files."""
    return lambda path: ["history 0"] if path.name in names else []
