"""Lint rules about losses: what enters them, and how they weigh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.errors import CaffekitError
from caffekit.formats.binaryproto import read_blob
from caffekit.formats.caffe_pb2 import LossParameter
from caffekit.graph.rules_python import is_shipped_loss
from caffekit.netgen.rules.rule import CAFFE, Rule, names
from caffekit.netgen.subject import DATA_PARAMS, Problem, Subject
from caffekit.netgen.view import LEARNED, View

PROBABILITIES = ("Softmax", "Sigmoid")
OF_CLASSES = ("SoftmaxWithLoss", "InfogainLoss", "MultinomialLogisticLoss", "HingeLoss", "Accuracy")
RANGE = 1000.0  # largest share of loss weights


def softmax_twice(subject: Subject) -> Iterator[Problem]:
    """Losses that take the softmax (or the sigmoid) themselves."""
    own = {"SoftmaxWithLoss": "Softmax", "InfogainLoss": "Softmax", "SigmoidCrossEntropyLoss": "Sigmoid"}
    for view in subject.views[:1]:
        for i, loss in view.of_type(own):
            above = view.feeds[i][0] if view.feeds[i] else None
            layer = view.layers[above] if above is not None else None
            if layer is not None and layer.type == own[loss.type]:
                text = f"{layer.name} takes the {layer.type.lower()}, and so does {loss.type} itself"
                yield Problem(text, f'bottom: "{layer.bottom[0]}"', loss.name)


def not_probabilities(subject: Subject) -> Iterator[Problem]:
    """MultinomialLogisticLoss takes the logarithm of what enters it."""
    for view in subject.views[:1]:
        for i, loss in view.of_type(("MultinomialLogisticLoss",)):
            above = view.above(i, through=("Split", "Dropout", "Reshape", "Flatten"))
            if above is not None and view.layers[above].type in LEARNED:
                text = f"it takes the logarithm of {loss.bottom[0]}, which are scores, not probabilities"
                yield Problem(text, layer=loss.name)


def infogain_input(subject: Subject) -> Iterator[Problem]:
    """Caffe 1.0 takes the softmax inside; builds before 2017-04 expect probabilities."""
    for view in subject.views[:1]:
        for i, loss in view.of_type(("InfogainLoss",)):
            above = view.above(i, through=("Split", "Dropout", "Reshape", "Flatten"))
            if above is not None and view.layers[above].type in LEARNED:
                scores = loss.bottom[0]
                text = f"{scores} is not normalised: Caffe 1.0 takes the softmax here, older builds do not"
                yield Problem(text, layer=loss.name)


def infogain_matrix(subject: Subject) -> Iterator[Problem]:
    """H: one row a true class, what each prediction is worth; all of a row is one answer's worth."""
    for loss in (layer for layer in subject.net.layer if layer.type == "InfogainLoss"):
        source = loss.infogain_loss_param.source
        if not source and len(loss.bottom) < 3:
            yield Problem("neither a source nor a third bottom gives it H", layer=loss.name, severity="error")
        if not source or not Path(source).is_file():
            continue
        try:
            values = np.squeeze(read_blob(Path(source)))
        except CaffekitError as error:
            yield Problem(error.message, layer=loss.name, severity="error")
            continue
        yield from _matrix(loss, values, subject)


def _matrix(loss: Any, values: Any, subject: Subject) -> Iterator[Problem]:
    """Shape, sign, rows of H."""
    outputs = _outputs(subject, loss.name)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        yield Problem(f"H has shape {values.shape}, not K x K", layer=loss.name, severity="error")
    elif outputs and len(values) != outputs:
        text = f"H is {len(values)} x {len(values)}, but {outputs} scores enter"
        yield Problem(text, layer=loss.name, severity="error")
    elif not np.isfinite(values).all() or (values < 0).any():
        yield Problem("H has negative or non-finite entries", layer=loss.name, severity="error")
    else:
        rows = values.sum(1)
        empty = [int(i) for i in np.flatnonzero(rows == 0)]
        if empty:
            yield Problem(f"row {empty[0]} of H is 0: that class is never taught", layer=loss.name)
        elif not _weighs(values) and np.abs(rows - 1).max() > 0.01:
            worst = int(np.abs(rows - 1).argmax())
            yield Problem(f"row {worst} of H sums to {rows[worst]:.3g}, not 1", layer=loss.name)


def _weighs(matrix: Any) -> bool:
    """Whether H is class weights, with or without smoothed labels: w_k times a diagonal and one value."""
    shares = matrix / matrix.sum(1, keepdims=True)
    others = shares[~np.eye(len(matrix), dtype=bool)]
    return not others.size or bool(np.ptp(others) < 1e-6 and np.diag(shares).min() > others.max())


def zero_count(subject: Subject) -> Iterator[Problem]:
    """A loss over the labels that count, where it may be that none does."""
    for layer in subject.net.layer:
        param = layer.loss_param
        by_count = param.normalization == LossParameter.VALID
        if layer.type == "SoftmaxWithLoss" and param.HasField("ignore_label") and by_count:
            ignored = param.ignore_label
            text = f"it divides by the number of labels other than {ignored}, which can be 0 in a batch"
            yield Problem(text, "a larger batch_size, or normalization: BATCH_SIZE", layer.name)
        elif layer.type == "Python" and any(layer.loss_weight) and not is_shipped_loss(layer):
            text = "a loss of your own: a count that it divides by (of a class, of pairs) can be 0 in a batch"
            yield Problem(text, "divide by max(1, count)", layer.name)


def division_by_zero(subject: Subject) -> Iterator[Problem]:
    """Log and negative powers of what can be exactly 0."""
    zeroing = ("ReLU", "Softmax", "Dropout", "Data", "Threshold", "AbsVal", "EuclideanLoss", "Eltwise")
    for view in subject.views[:1]:
        for i, layer in view.of_type(("Log", "Power")):
            above = view.feeds[i][0] if view.feeds[i] else None
            kind = view.layers[above].type if above is not None else ""
            if kind not in zeroing:
                continue
            power = layer.power_param
            if layer.type == "Log" and not layer.log_param.shift:
                yield Problem(f"log of {kind}'s output, which can be 0: -inf", "shift: 1e-10", layer.name)
            elif layer.type == "Power" and not power.shift and (power.power < 0 or 0 < power.power < 1):
                what = "0 to a negative power is inf" if power.power < 0 else "its gradient at 0 is nan"
                yield Problem(f"power {power.power:g} of {kind}'s output: {what}", "shift: 1e-10", layer.name)


def loss_weights(subject: Subject) -> Iterator[Problem]:
    """Several losses, and nobody has said how they weigh."""
    for view in subject.views[:1]:
        losses = [view.layers[i] for i in view.losses()]
        given = [weight for loss in losses for weight in loss.loss_weight]
        if len(losses) > 1 and not given:
            kinds = {loss.type for loss in losses}
            text = f"{len(losses)} losses, all with loss_weight 1: {names([loss.name for loss in losses])}"
            severity = "warning" if "EuclideanLoss" in kinds and len(kinds) > 1 else ""
            yield Problem(text, layer=losses[-1].name, severity=severity)
        used = sorted(abs(weight) for weight in given if weight)
        if len(losses) > 1 and used and used[-1] > RANGE * used[0]:
            text = f"loss weights from {used[0]:g} to {used[-1]:g}: the least hardly counts"
            yield Problem(text, layer=losses[-1].name, severity="warning")


def loss_weight_count(subject: Subject) -> Iterator[Problem]:
    """One weight a top, or none."""
    for layer in subject.net.layer:
        count = len(layer.loss_weight)
        if count not in (0, len(layer.top)) and not (count == 1 and not layer.top):
            yield Problem(f"{count} loss_weight for {len(layer.top)} tops", layer=layer.name)
        elif any(weight < 0 for weight in layer.loss_weight):
            text = "a negative loss_weight makes that loss larger"
            yield Problem(text, "a positive loss_weight", layer.name, severity="warning")
        elif layer.type.endswith("Loss") and count and not any(layer.loss_weight):
            text = "loss_weight 0: it is printed, but teaches nothing"
            yield Problem(text, "leave loss_weight out", layer.name, severity="note")


def label_first(subject: Subject) -> Iterator[Problem]:
    """The scores come first, the labels second."""
    for view in subject.views:
        for i, layer in view.of_type(OF_CLASSES):
            if len(layer.bottom) < 2 or not _is_label(view, i, 0) or _is_label(view, i, 1):
                continue
            text = f"its first bottom is the label {layer.bottom[0]}"
            swapped = f'bottom: "{layer.bottom[1]}" bottom: "{layer.bottom[0]}"'
            yield Problem(text, swapped, layer.name)
            return


def _is_label(view: View, index: int, bottom: int) -> bool:
    """Whether that bottom comes from a data layer, as its second top."""
    above = view.feeds[index][bottom]
    layer = view.layers[above] if above is not None else None
    name = view.layers[index].bottom[bottom]
    return layer is not None and layer.type in DATA_PARAMS and list(layer.top).index(name) > 0


def _outputs(subject: Subject, name: str) -> int:
    """How many scores a place enter the layer `name`; 0 where it is not known."""
    for view in subject.views[:1]:
        for i, layer in enumerate(view.layers):
            shape = view.bottoms[i][0] if view.bottoms[i] else None
            if layer.name == name and shape and len(shape) > 1:
                return int(shape[1])
    return 0


RULES = {
    "division-by-zero": Rule(
        division_by_zero, "warning",
        "The logarithm of 0 is -inf and 0 to a negative power inf: the loss is nan in the first batch that"
        " holds such a value.",
        "add a small shift", f"{CAFFE} log_layer.cpp, power_layer.cpp"),
    "infogain-input": Rule(
        infogain_input, "note",
        "InfogainLoss of Caffe 1.0 takes the softmax itself; in builds before April 2017 the logarithm of"
        " raw scores is nan.",
        "use Caffe 1.0, or a Softmax layer before it in older builds", f"{CAFFE} infogain_loss_layer.cpp"),
    "infogain-matrix": Rule(
        infogain_matrix, "warning",
        "H is K x K with rows that sum to 1 (or to class weights): other rows change the learning"
        " rate from class to class.",
        "divide each row of H by its sum", f"{CAFFE} infogain_loss_layer.cpp"),
    "label-first": Rule(
        label_first, "error",
        "Scores come first: labels would be taken for scores, and scores for labels.",
        "exchange the bottoms", f"{CAFFE} loss_layer.hpp, accuracy_layer.hpp"),
    "loss-weight-count": Rule(
        loss_weight_count, "error",
        "Caffe stops: loss_weight is given for no top or for every one.",
        "one loss_weight a top", f"{CAFFE} layer.hpp SetLossWeights"),
    "loss-weights": Rule(
        loss_weights, "note",
        "Losses of different kinds have different sizes: without weights the largest one rules, and if one"
        " explodes it takes all with it.",
        "loss_weight in each loss, so that each matters as it should", f"{CAFFE} layer.hpp SetLossWeights;"
        " Szegedy et al., Going Deeper, 2014, section 5"),
    "not-probabilities": Rule(
        not_probabilities, "error",
        "The logarithm of a raw score is nan or cut at 1e-20.",
        "SoftmaxWithLoss on the scores, or a Softmax layer before", f"{CAFFE}"
        " multinomial_logistic_loss_layer.cpp"),
    "softmax-twice": Rule(
        softmax_twice, "warning",
        "The loss takes the softmax (or sigmoid) itself; twice, gradients vanish and the loss stays high.",
        "feed the loss with the scores", f"{CAFFE} softmax_loss_layer.hpp"),
    "zero-count": Rule(
        zero_count, "note",
        "A sum divided by a count of 0 is nan. Caffe 1.0 divides by at least 1; older builds, forks and your"
        " own layers may not.",
        "divide by max(1, count)", f"{CAFFE} softmax_loss_layer.cpp get_normalizer"),
}  # fmt: skip
