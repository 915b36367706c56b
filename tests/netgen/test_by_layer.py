"""Learning rate, decay and filler of single layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caffekit.config import load_settings
from caffekit.errors import ConfigError, UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen import generate
from caffekit.netgen.by_layer import adjusted
from tests.netgen.sizes import fitting


def rates(text: str) -> dict[str, list[tuple[float, float]]]:
    layers = parse(text, NetParameter(), "n").layer
    return {layer.name: [(one.lr_mult, one.decay_mult) for one in layer.param] for layer in layers}


def test_patterns_multiply_what_is_there() -> None:
    wishes: dict[str, dict[str, Any]] = {"conv*": {"lr_mult": 0}, "ip2": {"lr_mult": 5, "decay_mult": 3}}
    made = generate("lenet", fitting("lenet"), layers=wishes)
    got = rates(made.train_val)
    assert got["conv1"] == got["conv2"] == [(0, 1), (0, 0)]
    assert got["ip1"] == [(1, 1), (2, 0)] and got["ip2"] == [(5, 3), (10, 0)]
    assert made.train_val.startswith("# LeNet")


def test_caffes_defaults_are_written_out_first() -> None:
    text = 'layer { name: "fc" type: "InnerProduct" inner_product_param { num_output: 3 } } # mine\n'
    out = adjusted(text, {"fc": {"lr_mult": 0.5, "filler": "msra"}})
    assert rates(out) == {"fc": [(0.5, 1), (0.5, 1)]}
    assert 'weight_filler { type: "msra" }' in " ".join(out.split()) and "# mine" in out


def test_a_layer_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="net.layers: no layer 'ip3' with weights; did you mean ip"):
        generate("lenet", fitting("lenet"), layers={"ip3": {"lr_mult": 0}})


def test_from_a_config(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text('version: 1\nnet: {layers: {"fc*": {decay_mult: 2}}}\n')
    assert load_settings(path).net.layers["fc*"].decay_mult == 2
    path.write_text("version: 1\nnet: {layers: {fc: {decay: 2}}}\n")
    with pytest.raises(ConfigError, match="p.yaml:2: net.layers"):
        load_settings(path)
