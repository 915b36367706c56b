"""The watcher: what is healthy, what is not, and since when."""

from __future__ import annotations

import random
from typing import Any

import pytest

from caffekit.diagnosis.observation import SATURATED, saturated_share
from caffekit.diagnosis.watch import Verdict, Watcher
from tests.diagnosis.canned import alarm, display, falling, since, snapshot, start


def watch(*events: dict[str, Any], **known: Any) -> tuple[Verdict | None, Watcher, int]:
    """The verdict, the watcher, and the iteration of the event that brought it."""
    watcher = Watcher(**known)
    for event in events:
        if watcher.observe(event):
            return watcher.verdict, watcher, event["iter"]
    return None, watcher, -1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_not_finite_is_seen_at_that_display(value: str) -> None:
    verdict, watcher, at = watch(start(), *falling(0, 50), display(60, value))
    assert verdict is not None
    assert (verdict.kind, verdict.symptom, verdict.losses, at) == ("diverged", "non-finite", ["loss"], 60)
    assert watcher.last_healthy == 50


def test_an_alarm_is_seen_at_once() -> None:
    verdict, watcher, at = watch(start(), *falling(0, 50), alarm(53))
    assert verdict is not None
    assert (at, watcher.last_healthy) == (53, 50)


@pytest.mark.parametrize(
    "more",
    [
        {"nonfinite": {"outputs": 0, "grads": 3, "weights": 0}},
        {"nonfinite": {"outputs": 0, "grads": 0, "weights": 1}},
        since(nonfinite=1),
    ],
)
def test_nan_in_gradients_weights_or_between_displays_counts(more: dict[str, Any]) -> None:
    verdict, watcher, _ = watch(start(), *falling(0, 50), display(60, 1.0, **more))
    assert verdict is not None
    assert (verdict.symptom, watcher.last_healthy) == ("non-finite", 50)


def test_most_iterations_at_87_are_stuck_within_one_display() -> None:
    verdict, watcher, at = watch(start(), *falling(0, 30), display(40, 87.3365, **since(saturated=6)))
    assert verdict is not None
    assert (verdict.kind, verdict.at_iteration, at, watcher.last_healthy) == ("stuck", 40, 40, 30)


def test_one_87_is_healthy() -> None:
    """An untrained BatchNorm net starts there, one bad batch passes by."""
    events = [start(), display(0, 87.3365, **since(iters=1, saturated=1)), *falling(10, 60)]
    verdict, watcher, _ = watch(*events, display(70, 87.3365, **since(saturated=1)), *falling(80, 100))
    assert verdict is None
    assert watcher.last_healthy == 100


def test_two_displays_at_a_share_of_the_batch_are_stuck() -> None:
    events = [display(it, 87.3365 * 7 / 64) for it in (40, 50)]
    verdict, _, at = watch(start(batch_size=64), *falling(0, 30), *events)
    assert verdict is not None
    assert (verdict.kind, verdict.at_iteration, at) == ("stuck", 40, 50)
    assert verdict.reasons == ["iterations 40 to 50: loss stays at 9.55243, the share 0.109 of 87.3365"]


@pytest.mark.parametrize(
    ("value", "batch", "share"),
    [
        (87.3365, None, 1.0),
        (87.3361, None, 1.0),
        (43.6683, None, 0.5),
        (SATURATED / 64, 64, 1 / 64),
        (SATURATED / 64, None, 0.0),
        (87.2, None, 0.0),
        (0.0, 64, 0.0),
        (float("nan"), None, 0.0),
    ],
)
def test_shares(value: float, batch: int | None, share: float) -> None:
    assert saturated_share(value, batch) == share


def test_the_loss_weight_does_not_hide_87() -> None:
    outputs = {"a": [87.3365], "b": [0.5]}
    events = [display(it, 0.3 * 87.3365 + 0.5, outputs=outputs) for it in (40, 50)]
    verdict, _, _ = watch(start({"a": 0.3, "b": 1}), *events)
    assert verdict is not None
    assert (verdict.kind, verdict.losses) == ("stuck", ["a"])


def test_a_finite_explosion_is_confirmed_by_the_next_display() -> None:
    verdict, watcher, at = watch(start(), *falling(0, 100), display(110, 30.0), display(120, 55.0))
    assert verdict is not None
    assert (verdict.symptom, verdict.at_iteration, at, watcher.last_healthy) == ("explosion", 110, 120, 100)


def test_overflow_needs_no_confirmation() -> None:
    verdict, _, at = watch(start(), *falling(0, 100), display(110, 1e8))
    assert verdict is not None
    assert at == 110


def test_far_above_the_start_needs_no_history() -> None:
    """Real: LeNet at base_lr 20. The second display is still within one interval of the first bad one."""
    verdict, watcher, at = watch(start(), display(0, 3.05), display(5, 13.05), display(10, 15.8))
    assert verdict is not None
    assert (verdict.at_iteration, at, watcher.last_healthy) == (5, 10, 0)


def test_staying_above_the_start_is_worse_than_knowing_nothing() -> None:
    high = [display(it, 6.0 + it % 3) for it in range(10, 100, 10)]
    verdict, watcher, at = watch(start(), display(0, 2.3), *high)
    assert verdict is not None
    assert (verdict.at_iteration, watcher.last_healthy) == (10, 0)
    assert at <= 50


def test_falling_back_to_the_start_for_long_is_a_collapse() -> None:
    learned = [display(it, 0.1) for it in range(10, 200, 10)]
    verdict, watcher, _ = watch(
        start(), display(0, 2.3), *learned, *[display(it, 2.3) for it in range(200, 400, 10)]
    )
    assert verdict is not None
    assert (verdict.symptom, verdict.at_iteration, watcher.last_healthy) == ("collapse", 200, 190)


@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm_on_noise(seed: int) -> None:
    """Heavy-tailed noise of single images around a falling loss."""
    draw = random.Random(seed)  # noqa: S311
    events = [display(it, 2.3 / (1 + it / 500) * draw.lognormvariate(0, 0.7)) for it in range(0, 5000, 10)]
    assert watch(start(batch_size=1), *events)[0] is None
    calm = [display(it, 2.3 / (1 + it / 500) * draw.lognormvariate(0, 0.25)) for it in range(0, 5000, 10)]
    assert watch(start(batch_size=16), *calm)[0] is None


def test_a_spike_is_forgiven_and_a_small_loss_may_rise() -> None:
    """0.001 → 0.05 is fifty-fold, and still far below what the untrained net had."""
    spike = [display(110, 60.0), *falling(120, 200)]
    verdict, watcher, _ = watch(start(), *falling(0, 100), *spike)
    assert (verdict, watcher.last_healthy) == (None, 200)
    tiny = [display(it, 0.001) for it in range(10, 300, 10)]
    assert (
        watch(start(), display(0, 2.3), *tiny, *[display(it, 0.05) for it in range(300, 500, 10)])[0] is None
    )


def test_a_resumed_run_is_measured_against_the_untrained_loss_where_that_is_known() -> None:
    resumed = [display(it, 0.02 if it < 540 else 0.06) for it in range(500, 600, 10)]
    assert watch(start(), *resumed)[0] is None
    worse = [display(it, 5.0) for it in range(500, 600, 10)]
    verdict, watcher, _ = watch(start(), *worse, reference=2.3)
    assert verdict is not None
    assert watcher.last_healthy is None


def test_a_layer_without_a_living_unit_is_the_end() -> None:
    """Real: at base_lr 0.5 every filter of a small net died, and the loss stayed at ln 10 for ever."""
    dead = [display(it, 2.31, dead={"relu": 1.0}) for it in (20, 30)]
    verdict, watcher, at = watch(start(), display(0, 3.05), display(10, 2.4, dead={"relu": 0.9}), *dead)
    assert verdict is not None
    assert (verdict.symptom, verdict.at_iteration, at, watcher.last_healthy) == ("dead", 10, 30, 0), (
        "0.9 was dying"
    )
    learning = [display(it, 0.5, dead={"branch": 1.0}) for it in range(10, 60, 10)]
    assert watch(start(), display(0, 2.3), *learning)[0] is None, "the rest of the net learns without it"
    once = [display(it, 2.3, dead={"relu": float(it == 20)}) for it in range(10, 60, 10)]
    assert watch(start(), display(0, 2.3), *once)[0] is None


def test_other_events_change_nothing() -> None:
    verdict, watcher, _ = watch(start(), snapshot(10), {"event": "end", "iter": 20, "reason": "done"})
    assert (verdict, watcher.last_healthy) == (None, None)
