"""The recovery loop: run an attempt, watch it, and when it breaks repair what broke it and go on."""

from __future__ import annotations

from caffekit.diagnosis.attempt import Attempt, AttemptPlan, RunAttempt


def recover(
    run_attempt: RunAttempt,
    plan: AttemptPlan,
    *,
    max_attempts: int = 5,
    min_lr: float = 1e-6,
    on_divergence: str = "auto",
) -> list[Attempt]:
    """Run attempts until one ends well; the last entry is how it ended.

    DivergedError when the budget is spent or the cause is none that a retry can cure; EngineDied when the
    training process died twice. Both carry the attempts as `attempts`.
    """
    raise NotImplementedError
