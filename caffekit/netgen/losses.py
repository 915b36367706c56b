"""The losses: the layers of a train_val.prototxt that follow a net's features.

Each function of LOSSES gives the classifier, if the loss has one, the loss and, for TEST, the accuracy. Four
losses are Python layers that caffekit ships (formulae and their sources: inside_caffe/caffekit_losses.py):
`caffekit train` puts that file on the path of real Caffe, and its own engine needs no path.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from caffekit.config.problems import near
from caffekit.errors import UsageError
from caffekit.graph.rules_python import LOSSES_MODULE, MARGINS, MINING
from caffekit.netgen.numbers import plain, quoted

FIXED = "param { lr_mult: 0 decay_mult: 0 }"


@dataclass(frozen=True)
class Head:
    """Where a loss begins: `bottom` is the blob of the features, `name` the classifier's (and its top's).

    `weight` is the loss_weight. Without `accuracy` there is none, for nets that are not tested.
    """

    bottom: str
    classes: int
    name: str = "fc"
    label: str = "label"
    weight: float = 1.0
    accuracy: bool = True


def loss_text(loss: str, head: Head, **options: Any) -> str:
    """The layers of `loss`; UsageError: no such loss or option, or a value out of its range."""
    if loss not in LOSSES:
        raise UsageError(f"net.loss: no {loss!r}{near(loss, LOSSES)}", f"there are: {', '.join(LOSSES)}")
    known = list(inspect.signature(LOSSES[loss]).parameters)[1:]
    for name, value in options.items():
        if name not in known:
            there = f"there are: {', '.join(known)}" if known else "it has none"
            raise UsageError(f"net.loss {loss}: no option {name!r}{near(name, known)}", there)
        fits, expected = RANGES[name] if (loss, name) not in RANGES_OF else RANGES_OF[loss, name]
        if not fits(value):
            raise UsageError(f"net.loss {loss}: {name} must be {expected}, got {value!r}")
    return LOSSES[loss](head, **options)


def softmax(head: Head, *, infogain: str = "") -> str:
    """Softmax with its cross entropy; `infogain`: the file of a matrix that weighs it (infogain_matrix)."""
    if not infogain:
        return _classifier(head) + _accuracy(head) + _loss(head, "SoftmaxWithLoss")
    matrix = f"infogain_loss_param {{ source: {quoted(infogain)} }}"
    return _classifier(head) + _accuracy(head) + _loss(head, "InfogainLoss", matrix)


def hinge(head: Head, *, norm: str = "L1") -> str:
    """One class against all others, by margins; norm L2 squares what is missing."""
    more = [f"hinge_loss_param {{ norm: {norm} }}"] if norm != "L1" else []
    return _classifier(head) + _accuracy(head) + _loss(head, "HingeLoss", *more)


def euclidean(head: Head, *, outputs: int = 1) -> str:
    """The squared distance to the labels, which are numbers: `outputs` of them per image."""
    return _classifier(head, outputs) + _loss(head, "EuclideanLoss")


def sigmoid_cross_entropy(head: Head, *, outputs: int = 1) -> str:
    """`outputs` questions of yes (1) or no (0) per image, each with a probability of its own."""
    return _classifier(head, outputs) + _loss(head, "SigmoidCrossEntropyLoss")


def contrastive(head: Head, *, margin: float = 1, other: str = "") -> str:
    """Pairs: alike (label 1) as near as can be, others `margin` apart; `other`: the second's features."""
    param = f"contrastive_loss_param {{ margin: {plain(margin)} }}"
    return _loss(
        head, "ContrastiveLoss", param, bottoms=(head.bottom, other or f"{head.bottom}_p", head.label)
    )


def triplet(head: Head, *, margin: float = 0.2, mining: str = "semi-hard") -> str:
    """Features of length 1, and of each class nearer to each other than to the rest by `margin`."""
    return _triplet(head, "loss", {"margin": margin, "mining": mining})


def _triplet(head: Head, name: str, options: dict[str, Any]) -> str:
    unit, share = f"{head.bottom}_unit", "within_margin"
    weights = f"loss_weight: {plain(head.weight)}", "loss_weight: 0"
    return (
        _unit_length(head.bottom, unit)
        + f"# {share}: the share of the triplets that are not apart yet; where it stays at 1 and the loss\n"
        + "# at `margin`, all features have become the same\n"
        + _python(name, "TripletLoss", (unit, head.label), (name, share), options, *weights)
    )


def center(head: Head, *, alpha: float = 0.5, center_weight: float = 0.003) -> str:
    """Softmax, and features drawn to the centers of their classes, which move at their own rate, `alpha`."""
    return softmax(head) + _center(head, center_weight * head.weight, alpha)


def _center(head: Head, weight: float, alpha: float = 0.5) -> str:
    options, text = {"classes": head.classes, "alpha": alpha}, f"loss_weight: {plain(weight)}"
    return "# the layer itself moves the centers, by alpha: the solver must not\n" + _python(
        "center_loss", "CenterLoss", (head.bottom, head.label), ("center_loss",), options, text, FIXED
    )


def further_text(loss: str, head: Head, weight: float) -> str:
    """The layer of a further loss on the same features or scores, with its loss_weight.

    UsageError: no such loss, or a weight that is not above 0.
    """
    if loss not in FURTHER:
        raise UsageError(f"net.also: no {loss!r}{near(loss, FURTHER)}", f"there are: {', '.join(FURTHER)}")
    if not weight > 0:
        raise UsageError(f"net.also: the loss_weight of {loss} must be above 0, got {weight:g}")
    return FURTHER[loss](head, weight)


def _hinge_too(head: Head, weight: float) -> str:
    body = f"loss_weight: {plain(weight)}"
    return _layer("hinge_loss", "HingeLoss", (head.name, head.label), ["hinge_loss"], body)


def _triplet_too(head: Head, weight: float) -> str:
    options = {"margin": 0.2, "mining": "semi-hard"}
    return _triplet(replace(head, weight=weight), "triplet_loss", options)


FURTHER: dict[str, Callable[[Head, float], str]] = {
    "center": _center,
    "hinge": _hinge_too,
    "triplet": _triplet_too,
}
"""Losses that can stand beside another one."""


def a_softmax(
    head: Head,
    *,
    margin: int = 4,
    base: float = 1000,
    gamma: float = 0.12,
    power: float = 1,
    lambda_min: float = 5,
) -> str:
    """Softmax over angles, of which the true class's counts `margin` times; lambda lets that begin gently."""
    options = {
        "classes": head.classes, "margin": margin, "base": base, "gamma": gamma, "power": power,
        "lambda_min": lambda_min,
    }  # fmt: skip
    bottoms, tops = (head.bottom, head.label), (head.name, "lambda")
    return (
        "# lambda falls from base to lambda_min; its count of iterations is a parameter that snapshots keep\n"
        + _python(head.name, "ASoftmax", bottoms, tops, options, "param { lr_mult: 1 decay_mult: 1 }", FIXED)
        + _accuracy(head)
        + _loss(head, "SoftmaxWithLoss")
    )


def am_softmax(head: Head, *, margin: float = 0.35, scale: float = 30) -> str:
    """Softmax over `scale` times the cosines, the true class's less `margin`."""
    options = {"classes": head.classes, "margin": margin, "scale": scale}
    layer = _python(head.name, "AMSoftmax", (head.bottom, head.label), (head.name,), options)
    return layer + _accuracy(head) + _loss(head, "SoftmaxWithLoss")


LOSSES: dict[str, Callable[..., str]] = {
    "softmax": softmax,
    "contrastive": contrastive,
    "triplet": triplet,
    "center": center,
    "a_softmax": a_softmax,
    "am_softmax": am_softmax,
    "euclidean": euclidean,
    "sigmoid_cross_entropy": sigmoid_cross_entropy,
    "hinge": hinge,
}
IN_PYTHON = ("triplet", "center", "a_softmax", "am_softmax")
"""Those that BVLC Caffe must have been built with Python layers for."""

Range = tuple[Callable[[Any], bool], str]


def _number(low: float, high: float = np.inf) -> Range:
    """A number from `low` to `high`."""
    expected = f"a number from {low:g}" + (f" to {high:g}" if high < np.inf else "")
    return lambda value: not isinstance(value, bool | str) and low <= value <= high, expected


def _one_of(*words: Any) -> Range:
    return (
        lambda value: value in words and not isinstance(value, bool),
        f"one of {', '.join(map(str, words))}",
    )


_TEXT: Range = (lambda value: isinstance(value, str), "a name")
RANGES: dict[str, Range] = {
    "alpha": _number(0, 1),
    "base": _number(0),
    "center_weight": _number(0),
    "gamma": _number(0),
    "infogain": _TEXT,
    "lambda_min": _number(0),
    "margin": _number(0),
    "mining": _one_of(*MINING),
    "norm": _one_of("L1", "L2"),
    "other": _TEXT,
    "outputs": (lambda value: type(value) is int and value > 0, "an integer above 0"),
    "power": _number(0),
    "scale": _number(1),
}
"""What an option may be, and how an error says it."""
RANGES_OF = {("a_softmax", "margin"): _one_of(*MARGINS), ("am_softmax", "margin"): _number(0, 1)}
"""Where it depends on the loss."""


def _layer(
    name: str, type: str, bottoms: Sequence[str], tops: Sequence[str], *body: str, phase: str = ""
) -> str:
    """A layer's text; each string of `body` is a line or more."""
    lines = [f"name: {quoted(name)}", f'type: "{type}"']
    lines += [f"bottom: {quoted(bottom)}" for bottom in bottoms] + [f"top: {quoted(top)}" for top in tops]
    lines += [line for each in body for line in each.splitlines()]
    lines += [f"include {{ phase: {phase} }}"] if phase else []
    return "\n".join(["layer {", *(f"  {line}" for line in lines), "}", ""])


def _classifier(head: Head, outputs: int = 0) -> str:
    return _layer(
        head.name, "InnerProduct", [head.bottom], [head.name],
        "param { lr_mult: 1 decay_mult: 1 }", "param { lr_mult: 2 decay_mult: 0 }",
        f"inner_product_param {{\n  num_output: {outputs or head.classes}",
        '  weight_filler { type: "xavier" }\n  bias_filler { type: "constant" value: 0 }\n}',
    )  # fmt: skip


def _accuracy(head: Head) -> str:
    if not head.accuracy:
        return ""
    return _layer("accuracy", "Accuracy", [head.name, head.label], ["accuracy"], phase="TEST")


def _loss(head: Head, type: str, *param: str, bottoms: Sequence[str] = ()) -> str:
    weight = [f"loss_weight: {plain(head.weight)}"] if head.weight != 1 else []
    return _layer("loss", type, bottoms or (head.name, head.label), ["loss"], *weight, *param)


def _python(
    name: str, kind: str, bottoms: Sequence[str], tops: Sequence[str], options: dict[str, Any], *body: str
) -> str:
    return _layer(
        name, "Python", bottoms, tops, *body,
        f'python_param {{\n  module: "{LOSSES_MODULE}"\n  layer: "{kind}"',
        f"  param_str: '{json.dumps(options)}'\n}}",
    )  # fmt: skip


def _unit_length(bottom: str, top: str) -> str:
    """`bottom` at length 1, by stock layers."""
    squares, inverse = f"{bottom}_squares", f"{bottom}_inverse"
    return (
        f"# {top}: each image's features divided by their length\n"
        + _layer(squares, "Reduction", [bottom], [squares], "reduction_param { operation: SUMSQ axis: 1 }")
        + _layer(inverse, "Power", [squares], [inverse], "power_param { power: -0.5 shift: 0.0000000001 }")
        + _layer(top, "Scale", [bottom, inverse], [top], "scale_param { axis: 0 }")
    )
