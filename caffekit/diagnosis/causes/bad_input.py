"""A broken sample (nan, inf, or absurd pixels) breaks the training whenever it comes by."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence


def bad_input(e: Evidence) -> Cause | None:
    """Suddenly nan out of a calm training; likelier the smaller the learning rate."""
    if not e.bad or e.verdict.symptom != "non-finite" or e.climb:
        return None
    do = "read every record once (`caffekit db check DB`) and remove those that are not finite"
    if e.at_once:
        return Cause("bad-input", 0.4, [*e.verdict.reasons, "broken before the first update"], {"do": do})
    lr = e.lr
    confidence = 0.4 if lr is not None and lr <= 1e-4 else 0.25
    shown = f"lr = {lr:g}" if lr is not None else "lr unknown"
    evidence = [f"nan without a climb before it (healthy displays: {len(e.healthy)}), {shown}"]
    return Cause("bad-input", confidence, evidence, {"do": do})
