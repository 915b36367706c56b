"""The recovery loop, on an engine that plays canned events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caffekit.diagnosis.attempt import Attempt, AttemptPlan
from caffekit.diagnosis.early_stop import EarlyStop
from caffekit.diagnosis.recovery import recover
from caffekit.errors import DataError, DivergedError, EngineDied
from caffekit.formats.caffe_pb2 import Datum, NetParameter
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.formats.prototxt import parse
from tests.diagnosis.canned import (
    End,
    Engine,
    alarm,
    all_finite,
    broken,
    display,
    falling,
    scored,
    since,
    snapshot,
    start,
)

PLAN = AttemptPlan(base_lr=0.10000000149)
HEALTHY = [start(), *falling(0, 100)]
NAN_AT_60 = [start(), *falling(0, 20), snapshot(25), *falling(30, 50), snapshot(55), alarm(58)]


def run(engine: Engine, plan: AttemptPlan = PLAN, **more: Any) -> list[Attempt]:
    return recover(engine, plan, **{"non_finite": all_finite, **more})


def test_a_healthy_training_is_one_attempt() -> None:
    engine = Engine(HEALTHY)
    [attempt] = run(engine)
    assert (attempt.outcome, attempt.cause, engine.said) == ("done", None, [])
    assert attempt.as_json()["resumed_from"] is None


def test_nan_rolls_back_to_the_last_healthy_snapshot_and_lowers_the_rate() -> None:
    engine = Engine(NAN_AT_60, HEALTHY)
    first, second = run(engine)
    assert engine.said == ["abort"]
    assert (first.outcome, first.cause, first.at_iteration, first.last_healthy) == (
        "diverged",
        "learning-rate",
        58,
        50,
    )
    assert second.plan.changed == {"base_lr": [0.1, 0.01]}, "not 0.10000000149, as float32 has it"
    assert (second.plan.number, second.plan.base_lr, second.outcome) == (2, 0.01, "done")
    assert second.plan.resume_from == Path("s_iter_25.solverstate"), (
        "55 was taken after the last healthy display"
    )


def test_a_snapshot_at_the_last_healthy_display_is_good() -> None:
    engine = Engine([start(), *falling(0, 40), snapshot(40), alarm(43)], HEALTHY)
    assert run(engine)[1].plan.resume_from == Path("s_iter_40.solverstate")


@pytest.mark.parametrize("bad", ["s_iter_25.caffemodel", "s_iter_25.solverstate"])
def test_a_snapshot_that_is_not_finite_in_weights_or_history_is_passed_over(bad: str) -> None:
    script = [
        start(),
        *falling(0, 10),
        snapshot(15),
        *falling(20, 20),
        snapshot(25),
        *falling(30, 50),
        alarm(58),
    ]
    engine = Engine(script, HEALTHY)
    assert run(engine, non_finite=broken(bad))[1].plan.resume_from == Path("s_iter_15.solverstate")


def test_without_a_good_snapshot_it_starts_again() -> None:
    script = [start(), *falling(0, 20), snapshot(25, finite=False), *falling(30, 50), alarm(58)]
    engine = Engine(script, HEALTHY)
    plan = AttemptPlan(base_lr=0.1, weights=(Path("w.caffemodel"),))
    second = run(engine, plan)[1].plan
    assert (second.resume_from, second.weights) == (None, plan.weights)


def test_weights_stay_finite_at_87_yet_the_rollback_goes_before_it() -> None:
    stuck = [display(it, 87.3365, **since(saturated=10)) for it in (40, 50, 60)]
    engine = Engine([start(), *falling(0, 20), snapshot(20), *falling(30, 30), snapshot(38), *stuck], HEALTHY)
    first, second = run(engine)
    assert (first.outcome, first.at_iteration, first.last_healthy) == ("stuck", 40, 30)
    assert second.plan.resume_from == Path("s_iter_20.solverstate")


def test_breaking_again_lowers_again_and_a_bad_resume_goes_further_back() -> None:
    """The second attempt has no healthy display: the state it went on from is not healthy either."""
    script = [start(), *falling(0, 10), snapshot(10), *falling(20, 30), snapshot(30), alarm(38)]
    engine = Engine(script, [start(), alarm(31)], HEALTHY)
    attempts = run(engine)
    assert [a.plan.base_lr for a in attempts[1:]] == [0.01, 0.001]
    assert [a.plan.resume_from for a in attempts[1:]] == [
        Path("s_iter_30.solverstate"),
        Path("s_iter_10.solverstate"),
    ]


def test_dead_units_are_the_learning_rate_too() -> None:
    dead = [display(it, 2.31, dead={"relu": 1.0}) for it in (10, 20)]
    first, second = run(Engine([start(), display(0, 2.4), snapshot(5), *dead], HEALTHY))
    assert (first.cause, first.at_iteration, second.plan.resume_from) == ("learning-rate", 10, None)
    assert any("every unit of relu" in each for each in first.evidence)


def test_a_state_is_not_gone_on_from_twice() -> None:
    """It looked healthy, but what came of it twice was not."""
    first = [start(), *falling(0, 10), snapshot(10), *falling(20, 30), snapshot(30), alarm(38)]
    again = [start(), *falling(30, 30), alarm(38)]
    attempts = run(Engine(first, again, HEALTHY))
    states = [attempt.plan.resume_from for attempt in attempts]
    assert states == [None, Path("s_iter_30.solverstate"), Path("s_iter_10.solverstate")]
    assert "s_iter_30.solverstate" in attempts[1].passed_over[0]


def test_the_rate_never_goes_below_the_minimum() -> None:
    engine = Engine(NAN_AT_60, NAN_AT_60, HEALTHY)
    told: list[Attempt] = []
    with pytest.raises(DivergedError, match=r"learning-rate .*; base_lr may not go below 0\.05") as caught:
        run(engine, min_lr=0.05, on_attempt=told.append)
    assert caught.value.exit_code == 5
    assert [a.plan.changed.get("base_lr") for a in told] == [None, [0.1, 0.05]]


def test_the_budget_is_kept_and_the_audit_whole() -> None:
    engine = Engine(*[NAN_AT_60] * 9)
    told: list[Attempt] = []
    with pytest.raises(DivergedError, match="all 3 attempts are used up") as caught:
        run(engine, max_attempts=3, on_attempt=told.append)
    assert [a.outcome for a in told] == ["diverged"] * 3
    assert all(a.seen and a.evidence for a in told)
    assert "base_lr" in caught.value.hint


def test_clip_is_set_from_healthy_gradients_first_and_then_the_rate_is_lowered() -> None:
    climbing = [
        display(it, "nan" if it == 60 else 1.0, grad_norm=1e6 if it == 60 else 2.0) for it in range(0, 61, 10)
    ]
    engine = Engine([start(), *climbing], [start(), *climbing], HEALTHY)
    attempts = run(engine, on_divergence="clip")
    assert attempts[1].plan.changed == {"clip_gradients": [None, 4.0]}
    assert (attempts[1].plan.clip_gradients, attempts[1].plan.base_lr) == (4.0, PLAN.base_lr)
    assert attempts[2].plan.changed == {"base_lr": [0.1, 0.01]}
    assert attempts[2].plan.clip_gradients == 4.0


def two(it: int, a: Any, b: Any, total: Any) -> dict[str, Any]:
    return display(it, total, outputs={"a": [a], "b": [b], "accuracy": [0.1]})


def test_one_loss_of_several_gets_its_weight_lowered_and_the_rate_stays() -> None:
    script = [
        start({"a": 1, "b": 0.5}),
        two(0, 2.3, 2.3, 3.5),
        two(10, 2.2, 40, 22),
        two(20, 2.1, "nan", "nan"),
    ]
    engine = Engine(script, [start({"a": 1, "b": 0.05}), *[two(it, 1, 1, 1.05) for it in (0, 10, 20)]])
    first, second = run(engine)
    assert first.cause == "loss-weight"
    assert second.plan.changed == {"loss_weight": {"b": [0.5, 0.05]}}
    assert (second.plan.loss_weights, second.plan.base_lr) == ({"b": 0.05}, PLAN.base_lr)


def test_nan_at_once_is_not_the_learning_rate() -> None:
    engine = Engine([start(), alarm(0)])
    with pytest.raises(DivergedError, match="bad-label .*no retry can cure that") as caught:
        run(engine)
    assert len(engine.plans) == 1
    assert "labels" in caught.value.hint


def test_a_rate_of_zero_is_never_lowered() -> None:
    engine = Engine([start(), display(0, 2.3, lr=0.0), display(10, 2.3, lr=0.0), display(20, "nan", lr=0.0)])
    with pytest.raises(DivergedError, match="no retry can cure that"):
        run(engine, AttemptPlan(base_lr=0.0))


def test_on_divergence_stop_and_ignore() -> None:
    with pytest.raises(DivergedError, match="on_divergence is stop"):
        run(Engine(NAN_AT_60), on_divergence="stop")
    engine = Engine(NAN_AT_60)
    assert run(engine, on_divergence="ignore")[0].outcome == "done"
    assert engine.said == []


def test_a_death_is_retried_once_from_the_last_good_snapshot() -> None:
    script = [start(), *falling(0, 30), snapshot(30), *falling(40, 50)]
    died = End("died", "killed by signal 9")
    engine = Engine(script, HEALTHY, ends=(died,))
    first, second = run(engine)
    assert (first.outcome, first.seen) == ("died", ["killed by signal 9"])
    assert second.plan.resume_from == Path("s_iter_30.solverstate")
    assert (second.plan.base_lr, second.plan.changed) == (PLAN.base_lr, {})
    engine = Engine(script, script, HEALTHY, ends=(died, died))
    with pytest.raises(EngineDied, match="after iteration 50: killed by signal 9"):
        run(engine)
    assert len(engine.plans) == 2


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ([], End("died", "Check failed: registry.count(type) == 1 (0 vs. 1) Unknown layer type: Foo")),
        ([start(), *falling(0, 30)], End("error", "ValueError: kernel_size is missing")),
    ],
)
def test_a_death_that_would_come_again_is_not_retried(script: list[Any], end: End) -> None:
    engine = Engine(script, HEALTHY, ends=(end,))
    with pytest.raises(EngineDied, match=end.message[:20]):
        run(engine)
    assert len(engine.plans) == 1


def test_data_that_the_engine_refuses_is_a_data_error() -> None:
    end = End("error", "layer 'loss': label 10 (item 5 of the batch) is outside 0 … 9")
    with pytest.raises(DataError, match="label 10") as caught:
        run(Engine([start()], ends=(end,)))
    assert "labels" in caught.value.hint


def test_labels_out_of_range_are_proved_before_an_attempt_is_burnt(tmp_path: Path) -> None:
    """Real Caffe reads beyond the end for them, and learns something for a while."""
    datums = [Datum(channels=1, height=1, width=1, data=b"0", label=label) for label in (0, 1, 7)]
    write_lmdb(tmp_path / "db", ((b"%d" % i, datum.SerializeToString()) for i, datum in enumerate(datums)))
    text = f"""
        layer {{ type: "Data" top: "data" top: "label" data_param {{ source: "{tmp_path}/db" }} }}
        layer {{ type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {{ num_output: 2 }} }}
        layer {{ type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
    """
    net = parse(text, NetParameter(), "test")
    engine = Engine(NAN_AT_60, HEALTHY)
    with pytest.raises(DivergedError, match="1 of 3 labels outside 0…1"):
        run(engine, net=net)
    assert len(engine.plans) == 1


def test_running_out_of_memory_says_what_to_do() -> None:
    end = End("died", "Check failed: error == cudaSuccess (2 vs. 0)  out of memory")
    with pytest.raises(EngineDied) as caught:
        run(Engine([start()], ends=(end,)))
    assert "batch_size" in caught.value.hint


def test_early_stop_asks_for_a_snapshot_and_ends_well() -> None:
    script = [start(), *falling(0, 10), scored(10, 0.9), scored(20, 0.95), scored(30, 0.94), scored(40, 0.95)]
    engine = Engine([*script, scored(50, 0.99)])
    [attempt] = run(engine, early_stop=EarlyStop("accuracy", patience=2))
    assert (attempt.outcome, engine.said) == ("early-stop", ["stop"])
    assert "iteration 20" in attempt.seen[0]


def test_a_resumed_run_starts_again_from_its_own_state() -> None:
    plan = AttemptPlan(base_lr=0.1, resume_from=Path("old_iter_500.solverstate"))
    script = [start(), display(500, 0.2), display(510, 0.2), alarm(515)]
    assert run(Engine(script, HEALTHY), plan)[1].plan.resume_from == plan.resume_from
    second = run(Engine(script, HEALTHY), plan, non_finite=broken("old_iter_500.solverstate"))[1]
    assert second.plan.resume_from is None
