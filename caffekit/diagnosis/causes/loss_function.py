"""A loss that can divide by 0 or take log(0): InfogainLoss without softmax, a custom loss without a floor."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence

# Losses that expect probabilities, and ones of the user's own.
DELICATE = ("InfogainLoss", "MultinomialLogisticLoss", "ContrastiveLoss", "Python")


def loss_function(e: Evidence) -> Cause | None:
    """Suddenly nan in a loss of a delicate kind."""
    if not e.bad or e.verdict.symptom != "non-finite" or e.climb:
        return None
    for layer in e.layers(*DELICATE):
        if e.verdict.losses and not set(layer.top) & set(e.verdict.losses):
            continue
        if layer.type == "Python" and not layer.top:
            continue
        evidence = [*e.verdict.reasons, f"layer {layer.name} is of type {layer.type}"]
        do = f"look at what enters {layer.name}: probabilities must sum to 1, counts it divides by not be 0"
        return Cause("loss-function", 0.45, evidence, {"do": do}, layer=layer.name)
    return None
