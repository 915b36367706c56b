"""Why a training broke: one function a cause, over all that is known."""

from __future__ import annotations

from collections.abc import Callable

from caffekit.diagnosis.causes.bad_input import bad_input
from caffekit.diagnosis.causes.bad_label import bad_label
from caffekit.diagnosis.causes.initialisation import initialisation
from caffekit.diagnosis.causes.learning_rate import learning_rate
from caffekit.diagnosis.causes.loss_function import loss_function
from caffekit.diagnosis.causes.loss_weight import loss_weight
from caffekit.diagnosis.causes.machine import database, device, out_of_memory
from caffekit.diagnosis.causes.pooling_window import pooling_window
from caffekit.diagnosis.causes.preprocessing import preprocessing
from caffekit.diagnosis.causes.solver_setting import solver_setting
from caffekit.diagnosis.causes.weights import weights
from caffekit.diagnosis.evidence import Cause, Evidence

CAUSES: dict[str, Callable[[Evidence], Cause | None]] = {
    "bad-input": bad_input,
    "bad-label": bad_label,
    "database": database,
    "device": device,
    "initialisation": initialisation,
    "learning-rate": learning_rate,
    "loss-function": loss_function,
    "loss-weight": loss_weight,
    "out-of-memory": out_of_memory,
    "pooling-window": pooling_window,
    "preprocessing": preprocessing,
    "solver-setting": solver_setting,
    "weights": weights,
}


def diagnose(evidence: Evidence) -> list[Cause]:
    """All causes that fit, the likeliest first; "unknown" where something is wrong and none fits."""
    found = [cause for rule in CAUSES.values() if (cause := rule(evidence))]
    found.sort(key=lambda cause: -cause.confidence)
    if not found and evidence.verdict.kind in ("diverged", "stuck", "crashed"):
        do = "run it again with debug_info: true in the solver: the log then names the layer that breaks"
        return [Cause("unknown", 0.1, list(evidence.verdict.reasons), {"do": do})]
    return found
