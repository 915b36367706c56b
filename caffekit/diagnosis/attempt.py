"""One training attempt: what is to be run, how it ended, and what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Event = dict[str, Any]
# Called with every event of the worker; what it returns ("stop", "abort" or None) is sent to the worker.
Observe = Callable[[Event], str | None]


@dataclass(frozen=True)
class AttemptPlan:
    """What one attempt runs: the user's solver and net with these values put in.

    `loss_weights` maps a loss output (top) to its new loss_weight. `resume_from` is a .solverstate or None
    for a start from `weights` (or from the fillers). `changed` is what differs from the attempt before, as
    it goes into the audit: {"base_lr": [0.1, 0.01], …}.
    """

    number: int = 1
    base_lr: float | None = None
    clip_gradients: float | None = None
    loss_weights: dict[str, float] = field(default_factory=dict)
    resume_from: Path | None = None
    weights: tuple[Path, ...] = ()
    changed: dict[str, Any] = field(default_factory=dict)


class Outcome(Protocol):
    """How an attempt's process ended; the engines' own class has at least these."""

    @property
    def reason(self) -> str:
        """"done", "stopped", "orphaned" (the worker said so), "error" or "died"."""

    @property
    def message(self) -> str:
        """The last words: an exception's text, a CHECK line, the signal; empty when all is well."""


RunAttempt = Callable[[AttemptPlan, Observe], Outcome]


@dataclass
class Attempt:
    """The audit of one attempt: what was run, what was seen, and which cause that has."""

    plan: AttemptPlan
    outcome: str
    """"done", "early-stop", "stopped", "diverged", "stuck", "died"."""
    at_iteration: int | None = None
    last_healthy: int | None = None
    seen: list[str] = field(default_factory=list)
    cause: str | None = None
    evidence: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    """Snapshots that the next attempt did not go on from, each with the reason."""

    def as_json(self) -> dict[str, Any]:
        """The entry of `attempts` in summary.json."""
        return {
            "attempt": self.plan.number,
            "outcome": self.outcome,
            "at_iteration": self.at_iteration,
            "last_healthy": self.last_healthy,
            "seen": self.seen,
            "cause": self.cause,
            "evidence": self.evidence,
            "passed_over": self.passed_over,
            "changed": self.plan.changed,
            "resumed_from": str(self.plan.resume_from) if self.plan.resume_from else None,
        }
