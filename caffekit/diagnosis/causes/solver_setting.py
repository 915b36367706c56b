"""A setting of the solver that cannot work."""

from __future__ import annotations

import math
import re
from typing import Any

from caffekit.diagnosis.evidence import Cause, Evidence

_FATAL = re.compile(
    r"learning rate policy|test_interval|test_iter|Unknown solver|snapshot|SerializeToOstream|\bsolver\.cpp",
    re.I,
)


def solver_setting(e: Evidence) -> Cause | None:
    """A learning rate that is nan itself, a momentum of 1, poly without max_iter, a refused value."""
    lr = e.lr
    if lr is not None and not math.isfinite(lr):
        return Cause("solver-setting", 0.95, [f"the learning rate itself is {lr:g}"], {"do": _lr(e)})
    wrong = _wrong(e.solver) if e.solver is not None else ""
    if wrong and e.verdict.kind != "healthy":
        return Cause("solver-setting", 0.9, [wrong], {"do": "correct it in solver.prototxt"})
    refused = [text for text in e.fatals if _FATAL.search(text)]
    if refused:
        do = "correct it in solver.prototxt (the folder of snapshot_prefix must exist and be writable)"
        return Cause("solver-setting", 0.8, refused[:2], {"do": do})
    return None


def _lr(e: Evidence) -> str:
    if e.solver is not None and e.solver.lr_policy == "poly":
        return "set max_iter: lr_policy poly divides by it"
    return "check lr_policy, gamma, power and stepsize"


def _wrong(solver: Any) -> str:
    if solver.lr_policy == "poly" and not solver.max_iter:
        return "lr_policy: poly without max_iter divides by 0"
    if solver.lr_policy == "step" and not solver.stepsize:
        return "lr_policy: step without stepsize divides by 0"
    if solver.momentum >= 1:
        return f"momentum: {solver.momentum:g} (1 and more never decays)"
    if solver.base_lr < 0:
        return f"base_lr: {solver.base_lr:g} climbs the loss instead of descending"
    if solver.weight_decay < 0:
        return f"weight_decay: {solver.weight_decay:g} makes weights grow"
    return ""
