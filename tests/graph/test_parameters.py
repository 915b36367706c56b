"""Parameter and multiply-add counts that are known from papers, or by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse, read_net
from caffekit.graph import count_macs, count_parameters, insert_splits, layer_costs

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "same" type: "Convolution" bottom: "x" top: "same" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "grouped" type: "Convolution" bottom: "conv" top: "grouped"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 group: 2 bias_term: false } }
layer { name: "up" type: "Deconvolution" bottom: "grouped" top: "up"
  convolution_param { num_output: 2 kernel_size: 2 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "up" top: "up" }
layer { name: "ip" type: "InnerProduct" bottom: "up" top: "ip" inner_product_param { num_output: 10 } }
"""


def test_counts_by_hand() -> None:
    net = parse(NET, NetParameter(), "net")
    costs = {cost.name: (cost.parameters, cost.macs) for cost in layer_costs(net)}
    assert costs == {
        "x": (0, 0),
        "conv": (4 * 3 * 9 + 4, 2 * 4 * 64 * 27),
        "same": (0, 2 * 4 * 64 * 27),
        "grouped": (4 * 2 * 9, 2 * 4 * 9 * 18),
        "up": (4 * 2 * 4, 2 * 4 * 9 * 2 * 4),
        "bn": (5, 0),
        "ip": (10 * 2 * 16 + 10, 2 * 10 * 32),
    }
    assert count_parameters(net) == sum(parameters for parameters, _ in costs.values())
    assert count_macs(net) == sum(macs for _, macs in costs.values())
    assert count_parameters(insert_splits(net)) == count_parameters(net)


def test_inputs_from_outside() -> None:
    text = NET.replace('type: "Input"', 'type: "Data"')
    net = parse(text, NetParameter(), "net")
    assert count_parameters(net, {"x": (2, 3, 8, 8)}) == count_parameters(parse(NET, NetParameter(), "net"))
    with pytest.raises(FormatError, match="layer 'x'"):
        count_parameters(net)


@pytest.mark.parametrize(
    ("name", "parameters", "million_macs"),
    [
        # Two groups, as Krizhevsky et al. 2012 trained it: 61 million parameters, 724 million multiply-adds.
        ("bvlc_alexnet", 60_965_224, 724),
        # Without its side classifiers: 7 million parameters, about 1.6 billion multiply-adds.
        ("bvlc_googlenet", 6_998_552, 1582),
    ],
)
def test_published_nets(shared: Path, name: str, parameters: int, million_macs: int) -> None:
    net = read_net(shared / "data" / "prototxt" / "dev" / f"BVLC+caffe__models_{name}_deploy.prototxt")
    assert count_parameters(net) == parameters
    assert count_macs(net) // 10**6 // _batch(net) == million_macs


def _batch(net: NetParameter) -> int:
    return int(net.layer[0].input_param.shape[0].dim[0])
