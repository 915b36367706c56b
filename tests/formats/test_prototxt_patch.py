"""A text is changed in place: to what the message says, with the comments still there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.formats.prototxt_patch import patched

TEXT = """# my net
name: "a" "b"
layer {
  name: 'data'  # pixels
  type: "Data" top: "data"
  transform_param { mean_value: [1, 2]; scale: .5 } # both
  data_param <
    source: "x{y}"
    batch_size: 64   # fits my card
  >
}
layer { name: "fc" type: "InnerProduct" param { lr_mult: 1 } inner_product_param { num_output: 10 } }
"""


def change(text: str, how: Callable[[Any], object]) -> str:
    """`text` after `how` has changed its message."""
    net = parse(text, NetParameter(), "t")
    how(net)
    out = patched(text, net)
    assert parse(out, NetParameter(), "out") == net
    return out


def test_values_change_where_they_stand() -> None:
    def how(net: Any) -> None:
        net.name = "c"
        net.layer[0].data_param.batch_size = 8
        net.layer[0].transform_param.mean_value[1] = 9
        net.layer[1].inner_product_param.num_output = 3

    expected = (
        TEXT.replace('"a" "b"', '"c"').replace("64", "8").replace("[1, 2]", "[1, 9]").replace("10 }", "3 }")
    )
    assert change(TEXT, how) == expected


def test_what_is_new_comes_last_in_its_message() -> None:
    def how(net: Any) -> None:
        net.layer[0].data_param.backend = 1
        net.layer[1].param[0].decay_mult = 0
        net.layer[1].inner_product_param.weight_filler.type = "xavier"

    out = change(TEXT, how)
    assert "    batch_size: 64   # fits my card\n    backend: LMDB\n  >" in out
    assert "param { lr_mult: 1 decay_mult: 0 }" in out
    assert 'num_output: 10 weight_filler { type: "xavier" } }' in out


def test_what_goes_takes_its_line_along() -> None:
    text = TEXT.replace("64   # fits my card", "64")

    def how(net: Any) -> None:
        net.layer[0].data_param.ClearField("batch_size")
        net.layer[0].transform_param.mean_value.append(3)

    out = change(text, how)
    assert 'source: "x{y}"\n  >' in out and "# both" in out and "mean_value: 3" in out


def test_more_layers_are_written_anew() -> None:
    out = change(TEXT, lambda net: net.layer.add(name="new", type="ReLU"))
    assert "# my net" not in out


def test_an_unchanged_text_stays() -> None:
    assert change(TEXT, lambda net: None) == TEXT


@pytest.mark.parametrize("name", ["lenet_digits", "resnet_20", "googlenet", "triplet_std"])
def test_every_layer_of_real_nets(name: str) -> None:
    text = (Path(__file__).parent.parent / f"cases/netgen/{name}.train_val.prototxt").read_text()

    def how(net: Any) -> None:
        for layer in net.layer:
            layer.name += "_new"
            for param in layer.param:
                param.lr_mult *= 10

    out = change(text, how)
    assert len(out.splitlines()) == len(text.splitlines()) and out.startswith("# ")
