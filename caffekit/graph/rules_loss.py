"""Shapes of losses and of what judges outputs."""

from __future__ import annotations

import math
from typing import Any

from caffekit.graph.axes import Shape, Shapes, axis_of, need


def softmax_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """A scalar, and the probabilities as a second top; a label for every prediction."""
    _labels(layer, bottoms, layer.softmax_param.axis)
    return _tops(layer, (), bottoms[0])


def infogain_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """As softmax_loss; the matrix H is a third bottom or a file."""
    _labels(layer, bottoms, layer.infogain_loss_param.axis)
    return _tops(layer, (), bottoms[0])


def elementwise_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Predictions and targets of as many values; a scalar."""
    _batch(layer, bottoms)
    same = math.prod(bottoms[0]) == math.prod(bottoms[1])
    need(layer, same, f"its bottoms must have as many values, got {bottoms[0]} and {bottoms[1]}")
    return [()], []


def scalar_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Bottoms of one batch size; a scalar."""
    _batch(layer, bottoms)
    return [()], []


def contrastive_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Two batches of features and whether each pair is of one kind; a scalar."""
    _batch(layer, bottoms)
    same = bottoms[0][1:2] == bottoms[1][1:2]
    need(layer, same, f"its two features must have as many values, got {bottoms[0]} and {bottoms[1]}")
    return [()], []


def accuracy(layer: Any, bottoms: list[Shape]) -> Shapes:
    """A scalar, and one value per class as a second top."""
    param = layer.accuracy_param
    at = _labels(layer, bottoms, param.axis)
    each = math.prod(bottoms[0]) // math.prod(bottoms[1]) if bottoms[1] else bottoms[0][at]
    need(layer, param.top_k <= each, f"top_k {param.top_k} of {each} classes")
    return _tops(layer, (), (bottoms[0][at],))


def argmax(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Along `axis`: top_k entries there. Without: (N, 1 or 2, top_k) over all the rest."""
    param, bottom = layer.argmax_param, bottoms[0]
    if param.HasField("axis"):
        at = axis_of(layer, param.axis, bottom)
        need(layer, param.top_k <= bottom[at], f"top_k {param.top_k} of {bottom[at]} values")
        return [(*bottom[:at], param.top_k, *bottom[at + 1 :])], []
    count = math.prod(bottom[1:])
    need(layer, param.top_k <= count, f"top_k {param.top_k} of {count} values")
    return [(bottom[0], 1 + param.out_max_val, param.top_k, *(1,) * (len(bottom) - 3))], []


def _tops(layer: Any, *shapes: Shape) -> Shapes:
    """As many of `shapes` as the layer has tops; a loss without a top still has one."""
    return list(shapes[: max(1, len(layer.top))]), []


def _batch(layer: Any, bottoms: list[Shape]) -> None:
    first = {shape[:1] for shape in bottoms}
    need(layer, len(first) == 1 and first != {()}, f"its bottoms must have one batch size, got {bottoms}")


def _labels(layer: Any, bottoms: list[Shape], axis: int) -> int:
    """The axis of the classes; FormatError unless there is one label per prediction."""
    scores, labels = bottoms[:2]
    at = axis_of(layer, axis, scores)
    wanted = math.prod(scores[:at]) * math.prod(scores[at + 1 :])
    need(
        layer,
        math.prod(labels) == wanted,
        f"its scores {scores} take {wanted} labels, got {math.prod(labels)} (shape {labels})",
    )
    return at
