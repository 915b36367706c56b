"""Which layers a phase, a level and stages let in."""

from __future__ import annotations

import pytest

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import TEST, TRAIN, NetParameter
from caffekit.formats.prototxt import parse
from caffekit.graph import filter_net

RULES = {
    "": "train test a ab level2",
    "include { phase: TRAIN }": "train a ab level2",
    "exclude { phase: TRAIN }": "test",
    "include { phase: TRAIN } include { phase: TEST }": "train test a ab level2",
    "include { min_level: 1 }": "level2",
    "include { max_level: 1 }": "train test a ab",
    "include { min_level: 2 max_level: 2 }": "level2",
    'include { stage: "a" }': "a ab",
    'include { stage: "a" stage: "b" }': "ab",
    'include { not_stage: "b" }': "train test a level2",
    'exclude { stage: "a" not_stage: "b" }': "train test ab level2",
    'include { phase: TEST stage: "a" }': "",
    'include { phase: TEST } include { stage: "b" }': "test ab",
}
STATES = {
    "train": (TRAIN, 0, []),
    "test": (TEST, 0, []),
    "a": (TRAIN, 0, ["a"]),
    "ab": (TRAIN, 0, ["b", "a"]),
    "level2": (TRAIN, 2, []),
}


@pytest.mark.parametrize("rule", RULES)
def test_rules(rule: str) -> None:
    net = parse(f'layer {{ name: "x" {rule} }}', NetParameter(), "net")
    let_in = [name for name, state in STATES.items() if filter_net(net, *state).layer]
    assert let_in == RULES[rule].split()


def test_both_kinds_of_rules_are_an_error() -> None:
    net = parse('layer { name: "x" include { } exclude { } }', NetParameter(), "net")
    with pytest.raises(FormatError, match="layer 'x': specify either include rules or exclude rules"):
        filter_net(net, TRAIN)


def test_the_net_itself_stays_as_it_was() -> None:
    net = parse('name: "n" layer { name: "x" include { phase: TEST } }', NetParameter(), "net")
    filtered = filter_net(net, TRAIN, 3, ["s"])
    assert len(net.layer) == 1
    assert (filtered.name, len(filtered.layer)) == ("n", 0)
    assert (filtered.state.phase, filtered.state.level, list(filtered.state.stage)) == (TRAIN, 3, ["s"])
    assert not net.HasField("state")


def test_a_forks_net_stays_a_forks() -> None:
    net = parse('layer { name: "x" permute_param { order: 0 } }', NetParameter(), "net")
    assert filter_net(net, TRAIN).layer[0].permute_param.order[:] == [0]
