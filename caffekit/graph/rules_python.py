"""Shapes and options of the losses that caffekit ships as Python layers (inside_caffe/caffekit_losses.py)."""

from __future__ import annotations

import json
import math
from typing import Any

from caffekit.errors import FormatError
from caffekit.graph.axes import Shape, Shapes, need

LOSSES_MODULE = "caffekit_losses"

OPTIONS: dict[str, dict[str, Any]] = {
    "AMSoftmax": {"classes": 0, "margin": 0.35, "scale": 30, "seed": 1},
    "ASoftmax": {
        "classes": 0, "margin": 4, "base": 1000, "gamma": 0.12, "power": 1, "lambda_min": 5, "seed": 1,
    },
    "CenterLoss": {"classes": 0, "alpha": 0.5},
    "TripletLoss": {"margin": 0.2, "mining": "semi-hard"},
}  # fmt: skip
"""The options in param_str by layer, with their defaults."""

MARGINS = (1, 2, 3, 4)
ONE: Shape = (1,)
MINING = ("semi-hard", "batch-hard", "batch-all")


def is_shipped_loss(layer: Any) -> bool:
    """Whether this Python layer is one of ours."""
    own = layer.python_param
    return layer.type == "Python" and own.module == LOSSES_MODULE and own.layer in OPTIONS


def loss_options(layer: Any) -> dict[str, Any]:
    """The options of a shipped loss; FormatError naming the layer for what its class does not take."""
    kind, text = layer.python_param.layer, layer.python_param.param_str
    try:
        given = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise FormatError(
            f"layer '{layer.name}': param_str is no JSON ({error}): {text}",
            """write it as param_str: '{"margin": 0.2}'""",
        ) from error
    options = OPTIONS[kind]
    need(layer, isinstance(given, dict), f"param_str must be a JSON object, got {text}")
    unknown = ", ".join(sorted(set(given) - set(options)))
    need(layer, not unknown, f"{kind} has no option {unknown} (there are: {', '.join(options)})")
    for name, value in given.items():
        fits = isinstance(value, str) == isinstance(options[name], str) and not isinstance(value, bool | list)
        need(layer, fits, f"{name}: {value!r} is of the wrong type, such as {options[name]!r} is expected")
    own = {**options, **given}
    need(layer, own.get("classes", 1) >= 1, "classes is missing in param_str")
    if kind == "ASoftmax":
        need(layer, own["margin"] in MARGINS, f"margin must be 1, 2, 3 or 4, got {own['margin']}")
    if kind == "TripletLoss":
        need(layer, own["mining"] in MINING, f"mining must be one of {', '.join(MINING)}")
    return own


def shipped_loss(layer: Any, bottoms: list[Shape]) -> Shapes:
    """A scalar (1) and perhaps a second one; of classifiers scores (N, classes). See their classes."""
    kind, own = layer.python_param.layer, loss_options(layer)
    need(layer, len(bottoms) == 2, f"{kind} takes features and labels, got {len(bottoms)} bottoms")
    features, labels = bottoms
    fits = len(features) > 1 and math.prod(labels) == features[0]
    need(layer, fits, f"{kind} takes features (N, …) and N labels, got {features} and {labels}")
    if kind == "TripletLoss":
        return [ONE, ONE][: len(layer.top)], []
    weights = (own["classes"], math.prod(features[1:]))
    if kind == "CenterLoss":
        return [ONE], [weights]
    tops = [(features[0], own["classes"]), ONE][: len(layer.top)]
    return tops, [weights, ONE][: 2 if kind == "ASoftmax" else 1]
