"""A pooling stride above the kernel can leave a last window that is empty: 0/0 = nan in AVE."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence

CERTAIN = 0.97
HARMLESS = 0.3


def pooling_window(e: Evidence) -> Cause | None:
    """Computed from the shapes in the net, without running it: lint's rule, as far as shapes are known."""
    if e.net is None or e.verdict.kind in ("overfitting", "crashed"):
        return None
    from caffekit.netgen.rules.pooling import pooling_window as rule
    from caffekit.netgen.subject import Subject

    for problem in rule(Subject(e.net, shapes=e.shapes)):
        nan = "nan" in problem.message
        return Cause(
            "pooling-window",
            CERTAIN if nan else HARMLESS,
            [f"layer {problem.layer}: {problem.message}"],
            {"do": problem.fix},
            layer=problem.layer,
        )
    return None
