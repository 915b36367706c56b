"""Every layer type that reads data against what real BVLC Caffe read, and what such layers refuse."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.pycaffe import shuffles

from .data_case import run_case
from .data_inputs import make_inputs

CASES = sorted((Path(__file__).parent.parent / "cases" / "data").glob("*.prototxt"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_inputs(folder)
    return folder


@pytest.fixture
def inputs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with all inputs in it, and libc's random numbers as in a new process."""
    monkeypatch.chdir(made)
    monkeypatch.setattr(shuffles, "libc_rand", shuffles.LibcRand(1))
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_equals_bvlc(case: Path, inputs: Path) -> None:
    """The same images at the same places in the same order, to the last bit."""
    got = run_case(caffe, str(case))
    with np.load(case.with_suffix(".npz")) as wanted:
        assert set(got) == set(wanted)
        for name in wanted:
            exact = name.split()[-1] != "ip"
            np.testing.assert_allclose(got[name], wanted[name], 0 if exact else 1e-4, err_msg=name)


@pytest.mark.bvlc
def test_the_records_are_real(bvlc: Path, inputs: Path, tmp_path: Path) -> None:
    """Real Caffe, run now, gives what is stored."""
    copies = [tmp_path / case.name for case in CASES]
    for case, copy in zip(CASES, copies, strict=True):
        copy.write_bytes(case.read_bytes())
    script = Path(__file__).parent / "data_case.py"
    subprocess.run([bvlc, script, *copies], check=True, capture_output=True)
    for case, copy in zip(CASES, copies, strict=True):
        with np.load(case.with_suffix(".npz")) as stored, np.load(copy.with_suffix(".npz")) as fresh:
            for name in stored:
                np.testing.assert_array_equal(fresh[name], stored[name], err_msg=f"{case.stem}: {name}")


def net(inputs: Path, layers: str, phase: int = caffe.TEST) -> caffe.Net:
    path = inputs / "net.prototxt"
    path.write_text(layers)
    return caffe.Net(str(path), phase)


def test_a_label_outside_the_classes_is_named_with_its_record(inputs: Path) -> None:
    layers = """
        layer { name: "d" type: "Data" top: "data" top: "label"
          data_param { source: "raw" batch_size: 7 backend: LMDB } }
        layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 5 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }
        layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }"""
    with pytest.raises(
        ValueError, match=r"layer 'loss': label 5 \(item 5 of the batch, raw: record 00000005\) is outside 0 … 4"
    ):
        net(inputs, layers).forward()
