"""Every solver type and option against trajectories recorded from real BVLC Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.pycaffe.solvers import SOLVERS
from caffekit.pycaffe.updates import LR_POLICIES

from .solver_case import run_case

CASES = sorted((Path(__file__).parent.parent / "cases" / "solvers").glob("*.prototxt"))


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_equals_bvlc(case: Path) -> None:
    """Learning rates, losses and the weights after 30 iterations, within 1e-4."""
    got = run_case(caffe, str(case))
    with np.load(case.with_suffix(".npz")) as wanted:
        assert set(got) == set(wanted)
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_every_type_and_policy_has_a_case() -> None:
    text = "".join(case.read_text() for case in CASES)
    for policy in LR_POLICIES:
        assert f'lr_policy: "{policy}"' in text
    for name in set(SOLVERS) - {"SGD"}:
        assert f'type: "{name}"' in text
