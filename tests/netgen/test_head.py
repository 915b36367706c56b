"""The head of a net: from where images come in to the first layer that learns."""

from __future__ import annotations

from typing import Any

import pytest

from caffekit.formats.caffe_pb2 import TRAIN, NetParameter
from caffekit.formats.prototxt import parse
from caffekit.netgen.head import head, without_chance

DATA = 'layer { name: "d" type: "Data" top: "x" include { phase: TRAIN } transform_param { mirror: true } }'
FIXED = 'layer { name: "s" type: "Scale" bottom: "x" top: "s" param { lr_mult: 0 } }'
POWER = 'layer { name: "p" type: "Power" bottom: "s" top: "p" }'
LEARNS = 'layer { name: "c" type: "Convolution" bottom: "p" top: "c" }'


def layers(text: str) -> tuple[list[str], str] | None:
    found = head(parse(text, NetParameter(), "net"), TRAIN)
    return ([layer.name for layer in found[0].layer], found[1]) if found else None


def test_it_ends_where_something_learns() -> None:
    assert layers(DATA + FIXED + POWER + LEARNS) == (["d", "s", "p"], "p")


@pytest.mark.parametrize(
    "second",
    [FIXED.replace("lr_mult: 0", "lr_mult: 1"), FIXED.replace("param { lr_mult: 0 }", ""), LEARNS],
    ids=["learns", "says nothing", "another layer"],
)
def test_a_scale_that_learns_is_no_part_of_it(second: str) -> None:
    assert layers(DATA + second.replace('bottom: "p"', 'bottom: "x"')) == (["d"], "x")


def test_a_net_without_images_has_none() -> None:
    assert layers('layer { name: "d" type: "DummyData" top: "x" }') is None
    assert layers(DATA.replace("TRAIN", "TEST")) is None


def test_nothing_is_left_to_chance() -> None:
    found: Any = head(parse(DATA + FIXED, NetParameter(), "net"), TRAIN)
    without_chance(found[0], "db", 5)
    data = found[0].layer[0]
    assert (data.data_param.source, data.data_param.batch_size, data.transform_param.mirror) == (
        "db",
        5,
        False,
    )
    assert not data.include
