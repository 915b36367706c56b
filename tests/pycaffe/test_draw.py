"""draw: the graph handed to pydot, seen through a stand-in for it."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from caffekit.pycaffe import TEST, TRAIN, draw
from caffekit.pycaffe.proto import caffe_pb2

NET = """
name: "drawn"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { batch_size: 7 }
  include { phase: TRAIN } }
layer { name: "in" type: "Input" top: "data" exclude { phase: TRAIN } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 5 } }
"""


class Graph:
    """pydot's Dot, as far as draw uses it."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.name, self.settings = name, settings
        self.nodes: list[Any] = []
        self.edges: list[Any] = []

    def add_node(self, node: Any) -> None:
        self.nodes.append(node)

    def add_edge(self, edge: Any) -> None:
        self.edges.append(edge)

    def create(self, format: str) -> bytes:
        return f"{self.name} as {format}".encode()


def _part(*args: Any, **style: Any) -> tuple[Any, ...]:
    return (*args, style)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Any:
    pydot = types.ModuleType("pydot")
    vars(pydot).update(Dot=Graph, Node=_part, Edge=_part)
    monkeypatch.setitem(sys.modules, "pydotplus", None)
    monkeypatch.setitem(sys.modules, "pydot", pydot)
    return text_format.Parse(NET, caffe_pb2.NetParameter())


def _names(graph: Graph) -> list[str]:
    return [node[0] for node in graph.nodes]


def test_layers_say_what_they_do(net: Any) -> None:
    graph = draw.get_pydot_graph(net, "TB", phase=TEST)
    assert (graph.name, graph.settings) == ("drawn", {"graph_type": "digraph", "rankdir": "TB"})
    assert _names(graph) == [
        '"in (Input)"',
        "data",
        '"conv (Convolution) kernel size: 3 stride: 1 pad: 0"',
        "conv",
        '"relu (ReLU)"',
        '"pool (Pooling AVE) kernel size: 2 stride: 2 pad: 0"',
        "pool",
        '"ip (InnerProduct)"',
        "ip",
    ]
    colors = [node[1].get("fillcolor") for node in graph.nodes]
    assert colors[2] == "#FF5050" and colors[4] == "#90EE90"


def test_a_horizontal_graph_breaks_its_lines_and_shows_learning_rates(net: Any) -> None:
    graph = draw.get_pydot_graph(net, "LR", display_lrm=True)
    assert r'"conv\n(Convolution)\nkernel size: 3\nstride: 1\npad: 0\nlr mult: 2.0, 1.0"' in _names(graph)


def test_arrows_count_outputs(net: Any) -> None:
    graph = draw.get_pydot_graph(net, "TB", phase=TRAIN)
    labels = {(edge[0][0], edge[1][0]): edge[2]["label"] for edge in graph.edges}
    assert labels['"data (Data)"', "label"] == "Batch 7"
    assert labels['"ip (InnerProduct)"', "ip"] == "5"
    assert labels['"conv (Convolution) kernel size: 3 stride: 1 pad: 0"', "conv"] == "4"
    assert labels["pool", '"ip (InnerProduct)"'] == '""'
    unlabelled = draw.get_pydot_graph(net, "TB", label_edges=False)
    assert {edge[2]["label"] for edge in unlabelled.edges} == {'""'}


def test_without_a_phase_all_layers_are_drawn(net: Any) -> None:
    assert {'"in (Input)"', '"data (Data)"'} <= set(_names(draw.get_pydot_graph(net, "TB")))


def test_the_suffix_is_the_format(net: Any, tmp_path: Path) -> None:
    draw.draw_net_to_file(net, str(tmp_path / "net.svg"))
    assert (tmp_path / "net.svg").read_text() == "drawn as svg"
    assert draw.draw_net(net, "LR") == b"drawn as png"


def test_what_cannot_be_drawn(net: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net.layer[0].exclude.add(phase=TEST)
    with pytest.raises(ValueError, match="layer data has both include and exclude specified"):
        draw.get_pydot_graph(net, "LR", phase=TRAIN)
    with pytest.raises(ValueError, match="Data layers do not have a learning rate multiplier"):
        draw.get_layer_lr_mult(net.layer[0])
    net.layer[2].param.add()
    net.layer[2].param.add()
    with pytest.raises(ValueError, match="Could not parse the learning rate multiplier of 3 params"):
        draw.get_layer_lr_mult(net.layer[2])
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match="pip install pydot"):
        draw.draw_net(net, "LR")
