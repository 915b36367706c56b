"""Which layers a net's state lets in (Net::FilterNet in src/caffe/net.cpp)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from caffekit.errors import FormatError

Say = Callable[[str, str], None]
"""Is told the line of net.cpp that says so, and why a rule is broken."""


def filter_net(
    net: Any, phase: int, level: int = 0, stages: Sequence[str] = (), say: Say = lambda *_: None
) -> Any:
    """A copy of `net` with the layers that are in at this phase, level and these stages.

    FormatError for a layer with both include and exclude rules.
    """
    out = type(net)()  # a fork's message stays one
    out.CopyFrom(net)
    del out.layer[:]
    out.state.phase, out.state.level = phase, level
    out.state.stage[:] = stages
    out.layer.extend(layer for layer in net.layer if _is_in(layer, out.state, say))
    return out


def _is_in(layer: Any, state: Any, say: Say) -> bool:
    if layer.include and layer.exclude:
        raise FormatError(f"layer '{layer.name}': specify either include rules or exclude rules; not both")
    rules = layer.include or layer.exclude
    return any(_meets(rule, state, layer.name, say) for rule in rules) == bool(layer.include)


def _meets(rule: Any, state: Any, layer: str, say: Say) -> bool:
    """A rule holds when all that it names holds: phase, level range, every stage, no not_stage."""
    for source, broken, reason in _broken(rule, state):
        if broken:
            say(source, f"The NetState {reason} specified by a rule in layer {layer}")
            return False
    return True


def _broken(rule: Any, state: Any) -> Iterator[tuple[str, bool, str]]:
    """Each condition in Caffe's order: whether it is broken, and Caffe's words (min_level's slip too)."""
    if rule.HasField("phase"):
        words = f"phase ({state.phase}) differed from the phase ({rule.phase})"
        yield "net.cpp:296", rule.phase != state.phase, words
    if rule.HasField("min_level"):
        words = f"level ({state.level}) is above the min_level ({rule.min_level})"
        yield "net.cpp:306", state.level < rule.min_level, words
    if rule.HasField("max_level"):
        words = f"level ({state.level}) is above the max_level ({rule.max_level})"
        yield "net.cpp:316", state.level > rule.max_level, words
    for stage in rule.stage:
        yield "net.cpp:332", stage not in state.stage, f"did not contain stage '{stage}'"
    for stage in rule.not_stage:
        yield "net.cpp:347", stage in state.stage, f"contained a not_stage '{stage}'"
