"""Which layers a net's state lets in (Net::FilterNet in src/caffe/net.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffekit.errors import FormatError


def filter_net(net: Any, phase: int, level: int = 0, stages: Sequence[str] = ()) -> Any:
    """A copy of `net` with the layers that are in at this phase, level and these stages.

    FormatError for a layer with both include and exclude rules.
    """
    out = type(net)()  # a fork's message stays one
    out.CopyFrom(net)
    del out.layer[:]
    out.state.phase, out.state.level = phase, level
    out.state.stage[:] = stages
    out.layer.extend(layer for layer in net.layer if _is_in(layer, phase, level, stages))
    return out


def _is_in(layer: Any, phase: int, level: int, stages: Sequence[str]) -> bool:
    if layer.include and layer.exclude:
        raise FormatError(f"layer '{layer.name}': specify either include rules or exclude rules; not both")
    if layer.include:
        return any(_meets(rule, phase, level, stages) for rule in layer.include)
    return not any(_meets(rule, phase, level, stages) for rule in layer.exclude)


def _meets(rule: Any, phase: int, level: int, stages: Sequence[str]) -> bool:
    """A rule holds when all that it names holds: phase, level range, every stage, no not_stage."""
    return (
        (not rule.HasField("phase") or rule.phase == phase)
        and (not rule.HasField("min_level") or level >= rule.min_level)
        and (not rule.HasField("max_level") or level <= rule.max_level)
        and all(stage in stages for stage in rule.stage)
        and not any(stage in stages for stage in rule.not_stage)
    )
