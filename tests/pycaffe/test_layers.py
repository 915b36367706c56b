"""Every layer type against results recorded from real BVLC Caffe, and the table of types."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.graph.rules_forks import OF_FORKS
from caffekit.pycaffe.layers import LAYERS

from .layer_case import run_case

CASES = sorted((Path(__file__).parent.parent / "cases" / "layers").glob("*.prototxt"))


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_equals_bvlc(case: Path) -> None:
    """Data and gradients within 1e-5 of real Caffe's, nan where it has nan."""
    got = run_case(caffe, str(case))
    with np.load(case.with_suffix(".npz")) as wanted:
        assert set(got) == set(wanted)
        for name in wanted:
            np.testing.assert_allclose(got[name], wanted[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.bvlc
def test_the_records_are_real(bvlc: Path, tmp_path: Path) -> None:
    """Real Caffe, run now, gives what is stored."""
    copies = [tmp_path / case.name for case in CASES]
    for case, copy in zip(CASES, copies, strict=True):
        copy.write_bytes(case.read_bytes())
    script = Path(__file__).parent / "layer_case.py"
    subprocess.run([bvlc, script, *copies], check=True, capture_output=True)
    for case, copy in zip(CASES, copies, strict=True):
        with np.load(case.with_suffix(".npz")) as stored, np.load(copy.with_suffix(".npz")) as fresh:
            for name in stored:
                np.testing.assert_allclose(fresh[name], stored[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", sorted(set(LAYERS) - set(OF_FORKS)))
def test_every_type_is_documented_and_tested(name: str) -> None:
    layer = LAYERS[name]
    assert layer.type == name
    assert layer.__doc__
    data_cases = (CASES[0].parent.parent / "data").glob("*.prototxt")
    cases = [case for case in [*CASES, *data_cases] if f'type: "{name}"' in case.read_text()]
    # Real Caffe has no AugmentedData to record; test_augmented_data.py holds it against Data's records.
    elsewhere = {"AugmentedData", "Input", "Python", "Split"}
    assert cases or name in elsewhere, f"no case in tests/cases for {name}"
