"""Watch a training: healthy, diverged or stuck, and the last display at which it was healthy."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from caffekit.diagnosis.observation import Observation, from_event, non_finite, saturated

# A loss is suspicious above this many times the recent healthy median, if it is also well above where
# training started: noise of single images, and losses that rise from a tiny value, are neither.
JUMP = 10.0
ABOVE_START = 2.0
# So far above the loss of the untrained net it is suspicious whatever came before.
FAR_ABOVE_START = 3.0
# A loss this many times above everything seen is certain at once; otherwise the next display must agree.
OVERFLOW = 100.0
# For so many displays the loss may stay above its start before that is called diverged …
PATIENCE = 5
# … and so many displays back at the start's level, after having come down to a third of it, are a collapse.
COLLAPSED = 10
# The loss of smaller batches is too noisy for one display to show where training started.
NOISY = 8
# A ReLU layer without a living unit while the loss is still at this share of the untrained net's is the end.
UNLEARNED = 0.7
RECENT = 50


@dataclass(frozen=True)
class Verdict:
    """What is wrong: kind (diverged, stuck; of whole logs more), since which iteration, and why we say so."""

    kind: str
    at_iteration: int
    symptom: str = ""
    """non-finite, explosion, collapse, dead or saturated."""
    reasons: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    """The loss outputs that show it."""


class Watcher:
    """Judges displays one by one. `reference` is the loss of the untrained net where the caller knows it."""

    def __init__(self, reference: float | None = None, batch_size: int | None = None) -> None:
        self.batch_size = batch_size
        self.weights: dict[str, float] = {}
        self.last_healthy: int | None = None
        self.verdict: Verdict | None = None
        self.seen: deque[Observation] = deque(maxlen=1000)
        self.reference = reference
        self._given = reference is not None
        self._healthy: deque[float] = deque(maxlen=RECENT)
        self._accepted: deque[int] = deque(maxlen=1000)
        self._first: list[float] = []
        self._best = math.inf
        self._suspect: int | None = None
        self._saturated: int | None = None
        self._all_dead: int | None = None

    def observe(self, event: Mapping[str, Any]) -> Verdict | None:
        """Take one event of the worker; a Verdict as soon as something is wrong (and from then on)."""
        if self.verdict is None:
            kind = event.get("event")
            if kind == "start":
                self.weights = {name: float(weight) for name, weight in (event.get("losses") or {}).items()}
                self.batch_size = event.get("batch_size") or self.batch_size
            elif kind == "display":
                self.see(from_event(event, self.weights))
            elif kind == "alarm":
                self.see(from_event({**event, "since": {"nonfinite": 1}}, self.weights))
        return self.verdict

    def see(self, seen: Observation) -> Verdict | None:
        """Take one observation; a Verdict as soon as something is wrong."""
        self.seen.append(seen)
        if self.verdict is None:
            self.verdict = self._broken(seen) or self._stuck(seen) or self._exploded(seen) or self._dead(seen)
            waiting = any(since is not None for since in (self._suspect, self._saturated, self._all_dead))
            if not (self.verdict or waiting or self._doubtful(seen)):
                self._accept(seen)
            if self.verdict:  # what looked well while it was already broken does not count
                at = self.verdict.at_iteration
                self.last_healthy = max((it for it in self._accepted if it < at), default=None)
        return self.verdict

    def _accept(self, seen: Observation) -> None:
        """A healthy display."""
        self.last_healthy = seen.iter
        self._accepted.append(seen.iter)
        self._healthy.append(seen.value)
        if len(self._first) < PATIENCE:
            self._first.append(seen.value)
        if not self._given:
            self.reference = self._first[0] if self._clear else max(self._first)
        if len(self._healthy) >= PATIENCE:
            self._best = min(self._best, median(list(self._healthy)[-PATIENCE:]))

    def _broken(self, seen: Observation) -> Verdict | None:
        names = non_finite(seen)
        if names:
            shown = ", ".join(f"{n} = {seen.losses.get(n, seen.value):g}" for n in names)
            return Verdict("diverged", seen.iter, "non-finite", [f"iteration {seen.iter}: {shown}"], names)
        if seen.nonfinite:
            reason = f"iteration {seen.iter}: nan or inf in a loss, gradient or weight since the last display"
            return Verdict("diverged", seen.iter, "non-finite", [reason])
        return None

    def _stuck(self, seen: Observation) -> Verdict | None:
        """Most iterations since the last display at 87.3365, or (in a log) two displays in a row."""
        at = saturated(seen, self.batch_size)
        most = seen.iters > 1 and seen.saturated * 2 > seen.iters
        if not at and not most:
            self._saturated = None
            return None
        if self._saturated is None:
            self._saturated = seen.iter
            if not most:
                return None
        since = self._saturated
        names = list(at)
        part = f", the share {at[names[0]]:.3g} of 87.3365" if names and at[names[0]] < 1 else ""
        level = f"{seen.losses.get(names[0], seen.value):g}" if names else "87.3365"
        which = ", ".join(names) or "a loss"
        reasons = [f"iterations {since} to {seen.iter}: {which} stays at {level}{part}"]
        if most:
            reasons.append(f"{seen.saturated} of the {seen.iters} iterations since the last display")
        return Verdict("stuck", since, "saturated", reasons, names)

    def _exploded(self, seen: Observation) -> Verdict | None:
        """Finite, but far above what this training has shown and started with."""
        if self.reference is None:
            return None
        if self._healthy:
            value, usual = seen.value, median(self._healthy)
            top = max(self.reference, usual, max(self._healthy))
            certain = value > OVERFLOW * top > 0
            if certain or self._suspicious(value, usual, top):
                if not certain and self._suspect is None:
                    self._suspect = seen.iter
                    return None
                since = seen.iter if self._suspect is None else self._suspect
                reason = f"iteration {seen.iter}: loss = {value:g}, where {usual:g} was usual before"
                return Verdict("diverged", since, "explosion", [reason], self._grown(seen))
        self._suspect = None
        return self._above(seen) or self._collapse(seen)

    def _suspicious(self, value: float, usual: float, top: float) -> bool:
        reference = self.reference or 0.0
        if self._clear and value > FAR_ABOVE_START * reference > 0:
            return True
        return value > JUMP * usual > 0 and value > ABOVE_START * max(reference, top)

    @property
    def _clear(self) -> bool:
        """The reference is the loss of the untrained net: given, or seen at iteration 0.

        A resumed run does not show it, nor does one display of one on single images.
        """
        return self._given or (self.seen[0].iter == 0 and (self.batch_size or NOISY) >= NOISY)

    def _doubtful(self, seen: Observation) -> bool:
        """Well above the loss of the untrained net, worse than knowing nothing: not (yet) a verdict."""
        return seen.value > (ABOVE_START if self._clear else JUMP) * (self.reference or math.inf)

    def _above(self, seen: Observation) -> Verdict | None:
        last = list(self.seen)[-PATIENCE:]
        doubtful = [each.iter for each in last if self._doubtful(each)]
        if len(last) < PATIENCE or len(doubtful) < PATIENCE - 1 or not self._doubtful(seen):
            return None
        usual = median(each.value for each in last)
        reason = f"iterations {doubtful[0]} to {seen.iter}: loss {usual:g}; it started at {self.reference:g}"
        return Verdict("diverged", doubtful[0], "explosion", [reason], self._grown(seen))

    def _dead(self, seen: Observation) -> Verdict | None:
        """A layer of which no unit answers to anything any more, twice in a row: no gradient passes it."""
        layers = [name for name, share in seen.dead.items() if share >= 1]
        unlearned = seen.value >= UNLEARNED * (self.reference or math.inf)
        if not layers or not unlearned or not self._clear:
            self._all_dead = None
            return None
        if self._all_dead is None:
            self._all_dead = seen.iter
            return None
        dead = f"every unit of {', '.join(layers)} is 0 for the whole batch since iteration {self._all_dead}"
        since = min(self._dying(layer) for layer in layers)
        return Verdict("diverged", since, "dead", [dead, f"the loss stays at {seen.value:g}"])

    def _dying(self, layer: str) -> int:
        """When half of the units that lived at the first display were dead for good: the dead do not rise."""
        bound = (1 + self.seen[0].dead.get(layer, 0.0)) / 2
        since = self.seen[-1].iter
        for each in reversed(self.seen):
            if each.dead.get(layer, 0.0) < bound:
                break
            since = each.iter
        return since

    def _collapse(self, seen: Observation) -> Verdict | None:
        last = list(self.seen)[-COLLAPSED:]
        low = min(each.value for each in last)
        if len(last) < COLLAPSED or not self._best < low / 3 or low < 0.9 * (self.reference or math.inf):
            return None
        reason = f"iteration {last[0].iter}: loss back at {low:g}, where it started, after {self._best:g}"
        return Verdict("diverged", last[0].iter, "collapse", [reason], self._grown(seen))

    def _grown(self, seen: Observation) -> list[str]:
        """The losses that have grown at least threefold since the last healthy display."""
        before = next((each for each in reversed(self.seen) if each.iter == self.last_healthy), None)
        if before is None:
            return []
        return [n for n, v in seen.losses.items() if n in before.losses and v > 3 * abs(before.losses[n])]

