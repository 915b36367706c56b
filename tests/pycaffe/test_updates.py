"""Learning rates by their formulae; their values in training are held against real Caffe in test_solvers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from caffekit.formats.caffe_pb2 import SolverParameter
from caffekit.pycaffe.updates import check_policy, learning_rate


def rate(it: int, step: int = 0, **fields: Any) -> float:
    return learning_rate(SolverParameter(base_lr=0.5, **fields), it, step)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (rate(7, lr_policy="fixed"), 0.5),
        (rate(7, 3, lr_policy="step", gamma=0.1), 0.5e-3),
        (rate(2, lr_policy="exp", gamma=0.5), 0.125),
        (rate(4, lr_policy="inv", gamma=0.75, power=0.5), 0.25),
        (rate(9, 2, lr_policy="multistep", gamma=0.1), 0.5e-2),
        (rate(5, lr_policy="poly", max_iter=10, power=2), 0.125),
        (rate(15, lr_policy="poly", max_iter=10, power=1), -0.25),
        (rate(15, lr_policy="poly", max_iter=10, power=0.5), math.nan),
        (rate(1, lr_policy="poly", power=1), -math.inf),
        (rate(3, lr_policy="sigmoid", gamma=1, stepsize=3), 0.25),
        (rate(0, lr_policy="sigmoid", gamma=100, stepsize=1000), 0.0),
        (rate(10000, lr_policy="exp", gamma=10), math.inf),
    ],
)
def test_rates(got: float, wanted: float) -> None:
    assert got == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lr_policy": "cosine"}, r"Unknown learning rate policy: cosine \(known: fixed, step, exp"),
        ({}, "Unknown learning rate policy: "),
        ({"lr_policy": "step", "gamma": 1}, "step needs a stepsize above 0, got 0"),
        ({"lr_policy": "sigmoid", "stepsize": -1}, "sigmoid needs a stepsize above 0, got -1"),
        ({"lr_policy": "multistep", "gamma": -1}, "multistep needs a gamma of at least 0, got -1"),
        ({"lr_policy": "inv", "gamma": -0.5}, "inv needs a gamma of at least 0, got -0.5"),
    ],
)
def test_policies_that_caffe_refuses(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_policy(SolverParameter(**fields))
