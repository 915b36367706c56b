"""Early stopping by a test metric."""

from __future__ import annotations

from caffekit.diagnosis.early_stop import EarlyStop
from tests.diagnosis.canned import display, scored


def test_patience_counts_tests_without_improvement() -> None:
    early = EarlyStop("accuracy", patience=2)
    said = [early.observe(scored(it, value)) for it, value in enumerate([0.5, 0.7, 0.7, 0.8, 0.6, 0.79])]
    assert said == [False, False, False, False, False, True]
    assert (early.best, early.best_iter) == (0.8, 3)


def test_a_loss_is_better_when_smaller() -> None:
    early = EarlyStop("loss", patience=1)
    assert [early.observe(scored(it, value)) for it, value in enumerate([0.5, 0.7, 0.6])] == [
        False,
        False,
        True,
    ]


def test_without_patience_it_never_stops_and_other_events_do_not_count() -> None:
    early = EarlyStop("accuracy")
    assert not any(early.observe(scored(it, 0.5)) for it in range(100))
    assert not EarlyStop("accuracy", patience=1).observe(display(0, 1.0))
    assert not EarlyStop("top5", patience=1).observe(scored(0, 0.5))


def test_nan_is_no_improvement() -> None:
    early = EarlyStop("accuracy", patience=2)
    assert [early.observe(scored(it, v)) for it, v in enumerate([0.5, float("nan"), float("nan")])][-1]
