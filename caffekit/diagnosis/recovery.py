"""The recovery loop: run an attempt, watch it, and when it breaks repair what broke it and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from caffekit.diagnosis.attempt import Attempt, AttemptPlan, Event, Outcome, RunAttempt
from caffekit.diagnosis.causes import diagnose
from caffekit.diagnosis.early_stop import EarlyStop
from caffekit.diagnosis.evidence import Cause, Evidence, Labels
from caffekit.diagnosis.gather import labels_of_net
from caffekit.diagnosis.observation import Observation
from caffekit.diagnosis.remedies import repair
from caffekit.diagnosis.snapshots import NonFinite, Snapshots
from caffekit.diagnosis.watch import Verdict, Watcher
from caffekit.errors import DataError, DivergedError, EngineDied
from caffekit.formats import weights

# A cause that no retry cures ends the run only when it is at least this likely.
SURE = 0.55


@dataclass
class Guard:
    """How much recovery may do. `on_divergence`: auto, lower_lr, clip, stop or ignore."""

    max_attempts: int = 5
    min_lr: float = 1e-6
    on_divergence: str = "auto"


@dataclass
class _Run:
    """What is known across attempts."""

    guard: Guard
    first: AttemptPlan
    snapshots: Snapshots
    solver: Any = None
    net: Any = None
    early: EarlyStop = field(default_factory=EarlyStop)
    reference: float | None = None
    deaths: int = 0
    labels: list[Labels] | None = None


def recover(
    run_attempt: RunAttempt,
    plan: AttemptPlan,
    *,
    max_attempts: int = 5,
    min_lr: float = 1e-6,
    on_divergence: str = "auto",
    early_stop: EarlyStop | None = None,
    solver: Any = None,
    net: Any = None,
    on_attempt: Callable[[Attempt], None] = lambda attempt: None,
    non_finite: NonFinite | None = None,
) -> list[Attempt]:
    """Run attempts until one ends well; the last entry says how ("done", "stopped", "early-stop").

    `plan.base_lr` is the solver's. `solver` and `net` (SolverParameter, NetParameter) let causes be proved.
    `on_attempt` is told of every attempt as it ends, the last one included. DivergedError when the budget
    is spent or a retry cannot cure the cause; EngineDied when the training process died twice; DataError
    when the engine itself refuses the data.
    """
    guard = Guard(max_attempts, min_lr, on_divergence)
    snapshots = Snapshots(non_finite or weights.non_finite)
    run = _Run(guard, plan, snapshots, solver, net, early_stop or EarlyStop())
    attempts: list[Attempt] = []
    while True:
        attempt, watcher, outcome = _attempt(run_attempt, plan, run)
        attempts.append(attempt)
        try:
            following = _next(attempt, watcher, outcome, run)
        finally:
            on_attempt(attempt)
        if following is None:
            return attempts
        plan = following


def _attempt(run_attempt: RunAttempt, plan: AttemptPlan, run: _Run) -> tuple[Attempt, Watcher, Outcome]:
    """Run one attempt under the eyes of a watcher, which ends it as soon as something is wrong."""
    watcher = Watcher(run.reference)
    stopping = False

    def observe(event: Event) -> str | None:
        nonlocal stopping
        run.snapshots.observe(event)
        if watcher.observe(event) and run.guard.on_divergence != "ignore":
            return "abort"
        stopping = run.early.observe(event) or stopping
        return "stop" if stopping else None

    outcome = run_attempt(plan, observe)
    if run.reference is None and watcher.seen and watcher.seen[0].iter == 0:
        run.reference = watcher.reference
    attempt = Attempt(plan, outcome.reason, last_healthy=watcher.last_healthy)
    if watcher.verdict and run.guard.on_divergence != "ignore":
        attempt.outcome = watcher.verdict.kind
        attempt.at_iteration = watcher.verdict.at_iteration
        attempt.seen = list(watcher.verdict.reasons)
    elif outcome.reason in ("died", "error"):
        attempt.seen = [outcome.message] if outcome.message else []
    elif stopping and outcome.reason == "stopped":
        attempt.outcome = "early-stop"
        attempt.seen = [f"{run.early.metric} has not improved since iteration {run.early.best_iter}"]
    return attempt, watcher, outcome


def _next(attempt: Attempt, watcher: Watcher, outcome: Outcome, run: _Run) -> AttemptPlan | None:
    """The attempt that repairs this one; None when it ended well; an error when there is none."""
    if attempt.outcome in ("diverged", "stuck"):
        return _after_divergence(attempt, watcher, run)
    if attempt.outcome in ("died", "error"):
        return _after_death(attempt, watcher, outcome, run)
    return None


def _after_divergence(attempt: Attempt, watcher: Watcher, run: _Run) -> AttemptPlan:
    if run.labels is None and run.net is not None:  # read once: wrong ones are proof, and no rate cures them
        run.labels = labels_of_net(run.net)
    causes = diagnose(_evidence(attempt, watcher, run))
    cause, curable = causes[0], [each for each in causes if "set" in each.remedy]
    if curable and cause.confidence < SURE:
        cause = curable[0]
    attempt.cause, attempt.evidence = cause.cause, cause.evidence
    mode = run.guard.on_divergence
    if mode == "stop":
        raise _diverged(attempt, cause, "on_divergence is stop")
    if "set" not in cause.remedy:
        raise _diverged(attempt, cause, "no retry can cure that")
    if attempt.plan.number >= run.guard.max_attempts:
        raise _diverged(attempt, cause, f"all {run.guard.max_attempts} attempts are used up")
    repaired = repair(attempt.plan, cause, _healthy(watcher), mode, run.guard.min_lr)
    if repaired is None:
        raise _diverged(attempt, cause, f"base_lr may not go below {run.guard.min_lr:g} (guard.min_lr)")
    return _following(attempt, repaired, run)


def _healthy(watcher: Watcher) -> list[Observation]:
    """The displays up to the last healthy one (all of them, where none was)."""
    last = watcher.last_healthy
    return [each for each in watcher.seen if last is None or each.iter <= last]


def _evidence(attempt: Attempt, watcher: Watcher, run: _Run) -> Evidence:
    verdict = watcher.verdict or Verdict("crashed", attempt.at_iteration or 0, "crash", attempt.seen)
    return Evidence(
        verdict,
        list(watcher.seen),
        watcher.last_healthy,
        run.solver,
        run.net,
        attempt.plan.base_lr,
        fatals=attempt.seen if verdict.kind == "crashed" else [],
        labels=run.labels or [],
    )


def _after_death(attempt: Attempt, watcher: Watcher, outcome: Outcome, run: _Run) -> AttemptPlan:
    """One retry, and only after some progress: a CHECK at the start or a Python exception comes again."""
    run.deaths += 1
    attempt.outcome, attempt.at_iteration = "died", watcher.seen[-1].iter if watcher.seen else 0
    cause = diagnose(_evidence(attempt, watcher, run))[0]
    attempt.cause, attempt.evidence = cause.cause, cause.evidence
    if outcome.reason == "error" and cause.cause in ("bad-label", "database"):
        raise DataError(outcome.message, cause.remedy["do"])
    hopeless = outcome.reason == "error" or watcher.last_healthy is None or run.deaths > 1
    if hopeless or attempt.plan.number >= run.guard.max_attempts:
        what = outcome.message or "no last words"
        raise EngineDied(f"training died after iteration {attempt.at_iteration}: {what}", cause.remedy["do"])
    return _following(attempt, replace(attempt.plan, changed={}), run)


def _following(attempt: Attempt, repaired: AttemptPlan, run: _Run) -> AttemptPlan:
    """The repaired plan as the next attempt, from the newest state that was healthy, else from the start.

    A state that led to divergence before the next snapshot is not as healthy as it looks: it is passed over.
    """
    resumed = run.snapshots.iteration(attempt.plan.resume_from)
    before = -1 if resumed is None else resumed - 1
    state = run.snapshots.newest(before if attempt.last_healthy is None else attempt.last_healthy)
    attempt.passed_over = run.snapshots.passed_over
    if state is not None and state == attempt.plan.resume_from and attempt.outcome != "died":
        state = run.snapshots.newest(before)
        attempt.passed_over += run.snapshots.passed_over
    if state is None and run.first.resume_from and run.snapshots.usable(run.first.resume_from):
        state = run.first.resume_from
    run.early.waited = 0  # the tests since the rollback point come again
    return replace(repaired, number=attempt.plan.number + 1, resume_from=state)


def _diverged(attempt: Attempt, cause: Cause, why: str) -> DivergedError:
    verdict = f"{attempt.outcome} at iteration {attempt.at_iteration}"
    proof = "; ".join(cause.evidence) or "; ".join(attempt.seen)
    return DivergedError(f"training {verdict}: {cause.cause} ({proof}); {why}", cause.remedy["do"])
