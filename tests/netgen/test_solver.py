"""Percentages, epochs and defaults of the solver."""

from __future__ import annotations

import pytest

from caffekit.config.solver_schema import LR_POLICIES as SCHEMA_POLICIES
from caffekit.config.solver_schema import SOLVER_TYPES as SCHEMA_TYPES
from caffekit.config.values import Epochs, Percent
from caffekit.errors import UsageError
from caffekit.netgen.numbers import plain, quoted
from caffekit.netgen.solver import LR_POLICIES, SOLVER_TYPES, choose_test_batch, iterations, plan_solver


def test_the_tables_are_those_of_the_schema() -> None:
    assert set(LR_POLICIES) == set(SCHEMA_POLICIES)
    assert set(SOLVER_TYPES) == set(SCHEMA_TYPES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7), (Percent(33), 330), (Percent(0.01), 1), (Epochs(2.5), 50), (Epochs(0.01), 1)],
)
def test_iterations(value: int | Percent | Epochs, expected: int) -> None:
    assert iterations(value, max_iter=1000, epoch=20) == expected


@pytest.mark.parametrize(
    ("images", "batch", "expected"),
    [
        (50, 64, 50),
        (128, 64, 128),
        (180, 64, 90),
        (1000, 64, 125),
        (10000, 100, 200),
        (359, 64, 120),
        (3, 1, 1),
    ],
)
def test_the_test_batch_divides_well(images: int, batch: int, expected: int) -> None:
    assert choose_test_batch(images, batch) == expected


def test_epochs_become_iterations_on_which_the_last_test_falls() -> None:
    plan = plan_solver({"epochs": 20, "batch_size": 64, "iter_size": 2}, 1437, 180)
    assert plan.epoch == 12  # ceil(1437 / 128)
    assert plan.fields["max_iter"] == 240
    assert plan.fields["test_interval"] == plan.fields["snapshot"] == 12
    assert plan.fields["test_iter"] * plan.test_batch_size == 180
    assert plan.fields["stepsize"] == 79
    assert plan.fields["display"] == 2


def test_what_was_asked_for_stands() -> None:
    wanted = {
        "max_iter": 500,
        "display": 7,
        "test_interval": 50,
        "test_iter": 3,
        "test_batch_size": 10,
        "snapshot": 0,
    }
    fields = plan_solver(wanted, 1000, 100).fields
    assert {key: fields.get(key, 10) for key in wanted} == wanted


def test_neither_epochs_nor_max_iter_is_30_epochs() -> None:
    plan = plan_solver({}, 640, 0)
    assert plan.fields["max_iter"] == 300
    assert "30 epochs (the default)" in plan.notes[0]


@pytest.mark.parametrize("policy", LR_POLICIES)
def test_policies_get_exactly_their_fields(policy: str) -> None:
    fields = plan_solver(
        {"lr_policy": policy, "stepvalue": [Percent(75), 20], "max_iter": 100}, 100, 10
    ).fields
    assert {"gamma", "power", "stepsize", "stepvalue"} & set(fields) == set(LR_POLICIES[policy])
    if policy == "multistep":
        assert fields["stepvalue"] == [20, 75]
    if policy == "exp":
        assert fields["gamma"] ** 100 == pytest.approx(0.001)


@pytest.mark.parametrize("kind", SOLVER_TYPES)
def test_types_get_exactly_their_fields(kind: str) -> None:
    fields = plan_solver({"type": kind, "momentum": None}, 100, 10).fields
    rule = {"base_lr", "momentum", "momentum2", "rms_decay", "delta"} & set(fields)
    assert rule == set(SOLVER_TYPES[kind])


def test_notes_tell_what_is_unused_and_what_wraps() -> None:
    notes = plan_solver({"lr_policy": "poly", "stepsize": 5, "test_batch_size": 7}, 100, 10).notes
    assert "stepsize is not used by lr_policy poly" in notes
    assert "test_iter 2 x batch 7 > 10 validation images: each test sees 4 of them twice" in notes


def test_epochs_and_max_iter() -> None:
    with pytest.raises(UsageError, match="both given"):
        plan_solver({"epochs": 1, "max_iter": 2}, 10, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01, "0.01"), (1e-6, "0.000001"), (1.0, "1"), (1 / 3, "0.33333334"), (125.307, "125.307"),
     (1e6, "1000000")],
)  # fmt: skip
def test_plain_numbers(value: float, text: str) -> None:
    assert plain(value) == text


def test_quoted() -> None:
    assert quoted('a "b"\\c') == '"a \\"b\\"\\\\c"'
