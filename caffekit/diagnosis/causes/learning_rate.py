"""The learning rate is too large: the loss climbs from display to display until it breaks."""

from __future__ import annotations

import math

from caffekit.diagnosis.evidence import Cause, Evidence

LARGE, SMALL = 0.1, 1e-5


def learning_rate(e: Evidence) -> Cause | None:
    """Only where updates were made, with a rate above 0."""
    lr = e.lr
    if not e.bad or e.at_once or lr is None or not math.isfinite(lr) or lr <= 0:
        return None
    confidence, evidence = 0.5, []
    if not e.healthy:
        confidence = 0.4
        evidence.append(f"broken at iteration {e.verdict.at_iteration}, with no healthy display before it")
    elif e.climb:
        confidence += 0.3
        first, last = e.climb[0], e.climb[-1]
        climb = f"{first.value:g} (iteration {first.iter}) to {last.value:g} (iteration {last.iter})"
        evidence.append(f"loss climbs from {climb}")
    else:
        last = e.healthy[-1]
        evidence.append(f"loss {last.value:g} at iteration {last.iter}, broken at {e.verdict.at_iteration}")
    norms = [each.grad_norm for each in e.healthy[-20:] if each.grad_norm]
    if len(norms) > 1 and norms[-1] > 10 * min(norms):
        confidence += 0.1
        evidence.append(f"gradient norm grows from {min(norms):g} to {norms[-1]:g}")
    if e.verdict.symptom in ("explosion", "saturated"):
        confidence += 0.1
    elif e.verdict.symptom == "dead":
        confidence += 0.2
        evidence += e.verdict.reasons
    if lr >= LARGE:
        confidence += 0.05
    elif lr <= SMALL:
        confidence -= 0.2
    evidence.append(f"lr = {lr:g} at that time")
    return Cause("learning-rate", min(confidence, 0.9), evidence, _remedy(e, lr))


def _remedy(e: Evidence, lr: float) -> dict[str, object]:
    base = e.base_lr or (float(e.solver.base_lr) if e.solver is not None else lr)
    norms = [each.grad_norm for each in e.healthy if each.grad_norm and math.isfinite(each.grad_norm)]
    clip = f" (or clip_gradients: {clip_value(norms):g})" if norms else " (or add clip_gradients)"
    do = f"lower base_lr from {base:g} to {base / 10:g}{clip} and go on from a snapshot that is still healthy"
    return {"do": do, "set": {"base_lr": float(f"{base / 10:.6g}")}}


def clip_value(norms: list[float]) -> float:
    """clip_gradients for healthy gradient norms: twice their median, two digits."""
    middle = sorted(norms)[len(norms) // 2]
    return float(f"{2 * middle:.2g}")
