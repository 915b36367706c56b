"""Split layers are named, placed and wired as Caffe does it."""

from __future__ import annotations

import pytest

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.graph import insert_splits

DATA = 'layer { name: "data" type: "Input" top: "x" top: "label" } '


def wiring(text: str) -> list[str]:
    net = insert_splits(parse(text, NetParameter(), "net"))
    return [f"{' '.join(layer.bottom)} > {layer.name} > {' '.join(layer.top)}" for layer in net.layer]


def layer(name: str, bottoms: str, tops: str, more: str = "") -> str:
    wires = [f'bottom: "{b}"' for b in bottoms.split()] + [f'top: "{t}"' for t in tops.split()]
    return f'layer {{ name: "{name}" {" ".join(wires)} {more} }} '


def test_one_consumer_needs_no_split() -> None:
    assert len(wiring(DATA + layer("a", "x", "y"))) == 2


def test_two_consumers() -> None:
    assert wiring(DATA + layer("a", "x", "y") + layer("b", "x label", "z")) == [
        " > data > x label",
        "x > x_data_0_split > x_data_0_split_0 x_data_0_split_1",
        "x_data_0_split_0 > a > y",
        "x_data_0_split_1 label > b > z",
    ]


def test_one_layer_that_reads_a_blob_twice() -> None:
    assert wiring(DATA + layer("a", "label label", "y"))[1:] == [
        "label > label_data_1_split > label_data_1_split_0 label_data_1_split_1",
        "label_data_1_split_0 label_data_1_split_1 > a > y",
    ]


def test_the_last_writer_counts() -> None:
    text = DATA + layer("ip", "x", "ip1") + layer("relu", "ip1", "ip1") + layer("a", "ip1", "b")
    assert wiring(text + layer("c", "ip1", "d"))[1:] == [
        "x > ip > ip1",
        "ip1 > relu > ip1",
        "ip1 > ip1_relu_0_split > ip1_relu_0_split_0 ip1_relu_0_split_1",
        "ip1_relu_0_split_0 > a > b",
        "ip1_relu_0_split_1 > c > d",
    ]


def test_in_place_after_another_consumer() -> None:
    text = DATA + layer("a", "x", "y") + layer("relu", "x", "x") + layer("b", "x", "z")
    assert wiring(text)[1:] == [
        "x > x_data_0_split > x_data_0_split_0 x_data_0_split_1",
        "x_data_0_split_0 > a > y",
        "x_data_0_split_1 > relu > x",
        "x > b > z",
    ]


def test_an_explicit_loss_weight_is_a_consumer_and_moves_to_the_split() -> None:
    text = DATA + layer("loss", "x label", "l", "loss_weight: 0.5") + layer("a", "l", "y")
    net = insert_splits(parse(text, NetParameter(), "net"))
    split = net.layer[2]
    assert (split.name, list(split.top)) == ("l_loss_0_split", ["l_loss_0_split_0", "l_loss_0_split_1"])
    assert list(split.loss_weight) == [0.5, 0]
    assert list(net.layer[1].loss_weight) == []
    assert list(net.layer[3].bottom) == ["l_loss_0_split_1"]


@pytest.mark.parametrize("more", ["", "loss_weight: 0"])
def test_default_and_zero_loss_weights_are_none(more: str) -> None:
    text = DATA + layer("loss", "x label", "l", more) + layer("a", "l", "y")
    assert len(wiring(text)) == 3


def test_an_unknown_bottom_is_an_error() -> None:
    with pytest.raises(FormatError, match=r"Unknown bottom blob 'y' \(layer 'a', bottom index 1\)"):
        wiring(DATA + layer("a", "x y", "z") + layer("b", "x", "y"))
