"""One of several losses explodes and drags the others along: its loss_weight is too large."""

from __future__ import annotations

import math

from caffekit.diagnosis.evidence import Cause, Evidence
from caffekit.diagnosis.observation import Observation

# A loss with this share of the (weighted) total before the break counts as the one that dominates.
DOMINANT = 0.9


def loss_weight(e: Evidence) -> Cause | None:
    """The one loss that breaks first, grows alone or dominates, while the others are as before."""
    if not e.bad or e.at_once or len(e.weights) < 2 or (e.lr is not None and not e.lr > 0):
        return None
    name, evidence, confidence = _culprit(e)
    if name is None:
        return None
    weight = e.weights[name]
    new = float(f"{weight / 10:.6g}")
    do = f"lower the loss_weight of {name} from {weight:g} to {new:g} in the net; leave base_lr alone"
    remedy = {"do": do, "set": {"loss_weight": {name: new}}}
    return Cause("loss-weight", confidence, evidence, remedy, loss=name)


def _culprit(e: Evidence) -> tuple[str | None, list[str], float]:
    names = [name for name in e.verdict.losses if name in e.weights]
    at = e.verdict.at_iteration
    others = [name for name in e.weights if name not in names]
    if len(names) == 1 and others:
        state = next((each for each in e.seen if each.iter >= at and names[0] in each.losses), None)
        shown = ", ".join(f"{n} = {state.losses[n]:g}" for n in others if n in state.losses) if state else ""
        value = f" = {state.losses[names[0]]:g}" if state else ""
        return names[0], [f"iteration {at}: only {names[0]}{value} is bad; {shown}".rstrip("; ")], 0.93
    grown = _grown_alone(e.healthy)
    if grown:
        first, last = e.healthy[0].losses[grown], e.healthy[-1].losses[grown]
        return grown, [f"before iteration {at} only {grown} grew: {first:g} → {last:g}"], 0.92
    return None, [], 0.0


def _grown_alone(healthy: list[Observation]) -> str | None:
    """The only loss that has at least tripled from its minimum and makes up most of the total."""
    if len(healthy) < 2:
        return None
    last = healthy[-1]
    grown = []
    for name, value in last.losses.items():
        before = [each.losses[name] for each in healthy if name in each.losses]
        if math.isfinite(value) and value > 3 * abs(min(before)):
            grown.append(name)
    if len(grown) != 1:
        return None
    parts = {name: abs(value * last.weights.get(name, 1)) for name, value in last.losses.items()}
    return grown[0] if parts[grown[0]] >= DOMINANT * sum(parts.values()) else None
