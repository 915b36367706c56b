"""Labels outside 0 … num_output-1: the softmax reads memory that is not its own."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence

_DO = "check the labels (`caffekit db check DB --num-classes N`): they must be 0 … num_output-1"


def bad_label(e: Evidence) -> Cause | None:
    """Proof is a label out of range; a hint is 87.3365 or nan before the first update, or a crash there."""
    for found in e.labels:
        if found.outside:
            what = f"{found.db}: {found.outside} of {found.records} labels outside 0…{found.classes - 1}"
            do = f"correct or remove these records, or set num_output to the number of classes ({found.db})"
            return Cause("bad-label", 0.98, [what], {"do": do}, records=found.examples)
    label = [text for text in e.fatals if "label" in text.lower()]
    if label:
        return Cause("bad-label", 0.9, label[:2], {"do": _DO})
    loss = [frame for frame in e.frames if "SoftmaxWithLossLayer" in frame]
    if e.verdict.kind == "crashed" and loss:
        evidence = [f"crashed inside {loss[0]}, which does not check labels"]
        return Cause("bad-label", 0.8, evidence, {"do": _DO})
    if not e.bad or any(each.outside == 0 for each in e.labels):
        return None
    softmax = e.layers("SoftmaxWithLoss") or e.net is None
    if e.at_once and softmax:
        return Cause("bad-label", 0.6, [*e.verdict.reasons, "broken before the first update"], {"do": _DO})
    early = e.verdict.symptom == "saturated" and not e.climb and len(e.healthy) <= 1
    if early and softmax:
        return Cause("bad-label", 0.35, [*e.verdict.reasons, "no climb before it"], {"do": _DO})
    return None
