"""The contract in a run directory is what its net does, whoever wrote the net."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.config import load_settings
from caffekit.formats.preprocess import Preprocess, preprocess_path
from caffekit.formats.prototxt import read_net
from caffekit.runs import RunDir
from caffekit.steps.train_files import make_inputs
from tests.steps.databases import make_db

OWN = """name: "mine"
layer { name: "in" type: "Data" top: "x" top: "label" include { phase: TRAIN } TRANSFORM }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
CONTRACT = Preprocess(
    width=32, height=32, mean_values=[90.0, 100.0, 110.0], std=[60.0, 64.0, 70.0], std_layer=True
)


def carried(tmp_path: Path, transform: str) -> tuple[Preprocess, list[str]]:
    """The run's contract, and the types of the deploy net's layers, for a net with that transform_param."""
    make_db(tmp_path / "t/train_lmdb", 20, channels=3)
    CONTRACT.write(preprocess_path(tmp_path / "t/train_lmdb"))
    (tmp_path / "net.prototxt").write_text(OWN.replace("TRANSFORM", transform))
    overrides = (f"data.work={tmp_path}", "name=t", f"net.prototxt={tmp_path}/net.prototxt")
    folder = tmp_path / "made"
    make_inputs(folder, RunDir(tmp_path / "run"), load_settings(None, overrides), None)
    layers = [layer.type for layer in read_net(folder / "deploy.prototxt").layer]
    return Preprocess.read(folder / "preprocess.yaml"), layers


def test_a_net_that_says_nothing_follows_the_database_s(tmp_path: Path) -> None:
    contract, layers = carried(tmp_path, "")
    assert contract == CONTRACT
    assert layers == ["Input", "Scale", "InnerProduct", "Softmax"]


@pytest.mark.parametrize(
    ("transform", "means", "scale"),
    [
        ("transform_param { mean_value: 104 scale: 0.5 }", [104.0] * 3, 0.5),
        ("transform_param { scale: 0.25 }", [], 0.25),
    ],
)
def test_a_net_with_a_mean_of_its_own_is_followed(
    tmp_path: Path, transform: str, means: list[float], scale: float
) -> None:
    contract, layers = carried(tmp_path, transform)
    assert (contract.mean_values, contract.scale, contract.std_layer) == (means, scale, False)
    assert contract.std == CONTRACT.std and (contract.width, contract.height) == (32, 32)
    assert layers == ["Input", "InnerProduct", "Softmax"]
