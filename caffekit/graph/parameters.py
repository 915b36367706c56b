"""How large a net is and how much work it does: parameters, multiply-adds, blob sizes, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from caffekit.errors import FormatError
from caffekit.graph.axes import Shape
from caffekit.graph.shapes import Step, layer_shapes, walk_shapes


@dataclass(frozen=True)
class Cost:
    """One layer: shapes, how many numbers it adds to the model, and multiply-adds of a forward pass."""

    name: str
    type: str
    tops: list[Shape]
    params: list[Shape]
    parameters: int
    macs: int


def layer_costs(net: Any, inputs: Mapping[str, Shape] | None = None) -> list[Cost]:
    """The cost of every layer of `net` (of one phase); arguments and errors as walk_shapes.

    A parameter that several layers share by name counts at the first. Batch and all, multiply-adds are those
    of convolutions, inner products and recurrent layers; what is elementwise counts nothing.
    """
    return _costs(walk_shapes(net, inputs))


def known_costs(net: Any, inputs: Mapping[str, Shape]) -> list[tuple[Cost, str]]:
    """The cost of every layer as far as it is known, and why it is not: for nets with layers not known here.

    Unlike layer_costs this goes past unknown types and blobs whose shapes no prototxt tells: those have no
    `tops` and `params`, and count nothing.
    """
    steps, reasons = [], []
    blobs = dict(inputs)
    for layer in net.layer:
        reason = ""
        shapes: tuple[list[Shape], list[Shape]] = ([], [])
        if not layer.bottom and all(top in inputs for top in layer.top):
            shapes = ([inputs[top] for top in layer.top], [])
        elif all(bottom in blobs for bottom in layer.bottom):
            try:
                shapes = layer_shapes(layer, [blobs[bottom] for bottom in layer.bottom])
            except FormatError as error:
                reason = error.message
        else:
            reason = "what enters it is not known"
        blobs |= zip(layer.top, shapes[0], strict=False)
        steps.append(Step(layer, [blobs.get(bottom, ()) for bottom in layer.bottom], *shapes))
        reasons.append(reason)
    return list(zip(_costs(steps), reasons, strict=True))


def _costs(steps: Iterable[Step]) -> list[Cost]:
    seen: set[str] = set()
    costs = []
    for layer, bottoms, tops, params in steps:
        own = 0
        for i, shape in enumerate(params):
            name = layer.param[i].name if i < len(layer.param) else ""
            own += 0 if name in seen else math.prod(shape)
            seen |= {name} if name else set()
        macs = _macs(layer, bottoms, tops, params) if tops else 0
        costs.append(Cost(layer.name, layer.type, tops, params, own, macs))
    return costs


def count_parameters(net: Any, inputs: Mapping[str, Shape] | None = None) -> int:
    """How many numbers the model holds, BatchNorm's statistics included, shared ones once."""
    return sum(cost.parameters for cost in layer_costs(net, inputs))


def count_macs(net: Any, inputs: Mapping[str, Shape] | None = None) -> int:
    """Multiply-adds of one forward pass over the whole batch."""
    return sum(cost.macs for cost in layer_costs(net, inputs))


def _macs(layer: Any, bottoms: list[Shape], tops: list[Shape], params: list[Shape]) -> int:
    if layer.type == "Convolution":
        return sum(math.prod(top) for top in tops) * math.prod(params[0][1:])
    if layer.type == "Deconvolution":
        return sum(math.prod(bottom) for bottom in bottoms) * math.prod(params[0][1:])
    if layer.type == "InnerProduct":
        return math.prod(tops[0][:-1]) * math.prod(params[0])
    if layer.type in {"LSTM", "RNN"}:
        return math.prod(tops[0][:2]) * sum(math.prod(shape) for shape in params if len(shape) == 2)
    return 0
