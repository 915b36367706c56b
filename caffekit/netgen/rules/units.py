"""Lint rules about activations, normalisation and dropout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffekit.netgen.rules.rule import CAFFE, PATTERNS, Rule, names
from caffekit.netgen.structure import phases
from caffekit.netgen.subject import DATA_PARAMS, Problem, Subject
from caffekit.netgen.view import ACTIVATIONS, LEARNED, View

NORMALISING = ("BatchNorm", "LRN", "MVN", "Normalize")
GLOROT = "Glorot & Bengio, Understanding the Difficulty of Training Deep Networks, 2010"
IOFFE = "Ioffe & Szegedy, Batch Normalization, 2015"
CS231N = "Stanford CS231n, neural networks part 1: a high rate can kill 40 % of ReLUs"
SATURATED = 3  # hidden layers in a row
LARGE_STEP = 1.0  # base_lr / (1 - momentum)
DEEP, VERY_DEEP = 12, 25


def saturating_deep(subject: Subject) -> Iterator[Problem]:
    """Sigmoid or TanH after many learned layers, with no normalisation that keeps them in their middle."""
    view = subject.main
    if view is None or not subject.is_trained():
        return
    hidden = []
    for i, layer in view.of_type(("Sigmoid", "TanH")):
        above = view.above(i)
        normalised = any(each.type in NORMALISING for each in view.path(i))
        if above is not None and view.layers[above].type in LEARNED and not normalised and _goes_on(view, i):
            hidden.append((i, layer))
    if len(hidden) >= SATURATED and max(view.depth()) > SATURATED:
        kinds = " and ".join(sorted({layer.type for _, layer in hidden}))
        text = f"{kinds} in {len(hidden)} hidden layers: {names([layer.name for _, layer in hidden])}"
        yield Problem(text, layer=hidden[0][1].name)


def _goes_on(view: View, index: int) -> bool:
    """Whether a learned layer reads what the activation makes, past layers of one bottom without weights."""
    todo, seen = list(view.readers[index]), set()
    while todo:
        at = todo.pop()
        if at in seen or len(view.layers[at].bottom) > 1:
            continue  # a gate multiplies another branch
        seen.add(at)
        if view.layers[at].type in LEARNED:
            return True
        todo += view.readers[at]
    return False


def relu_rate(subject: Subject) -> Iterator[Problem]:
    """A large learning rate can push ReLUs where no input reaches them again."""
    view, solver = subject.main, subject.solver
    if view is None or solver is None or solver.type not in ("SGD", "Nesterov", ""):
        return
    if any(layer.type in ("BatchNorm", "MVN") for layer in view.layers):
        return
    relus = [layer for _, layer in view.of_type(("ReLU",)) if not layer.relu_param.negative_slope]
    momentum = min(solver.momentum, 0.9999)
    if relus and momentum < 1 and solver.base_lr / (1 - momentum) > LARGE_STEP * 0.9999:
        text = f"base_lr {solver.base_lr:g} with momentum {solver.momentum:g} and {len(relus)} ReLUs"
        yield Problem(text, f"base_lr {0.01:g}, or Leaky ReLU, PReLU or batch normalisation", key="base_lr")


def no_normalisation(subject: Subject) -> Iterator[Problem]:
    """Many learned layers, and nothing that keeps the scale of what runs through them."""
    view = subject.main
    if view is None or not subject.is_trained() or any(True for _ in view.of_type(NORMALISING)):
        return
    depth = max(view.depth(), default=0)
    joined = any(layer.type == "Eltwise" for layer in view.layers)
    if depth > DEEP:
        last = view.layers[view.depth().index(depth)].name
        severity = "warning" if depth > VERY_DEEP and not joined else ""
        yield Problem(f"{depth} learned layers without any normalisation", layer=last, severity=severity)


def no_activation(subject: Subject) -> Iterator[Problem]:
    """Two learned layers in a row are one: a product of matrices is a matrix."""
    view = subject.main
    if view is None or not subject.is_trained():
        return
    found = []
    for i, layer in view.of_type(("InnerProduct", "Convolution")):
        above = view.above(i)
        between = [each.type for each in view.path(i)]
        plain = not any(kind in ACTIVATIONS or kind == "LRN" for kind in between)
        if above is None or view.layers[above].type != layer.type or not plain:
            continue
        if layer.type == "Convolution" and not _pointwise(layer):
            continue  # separable filters on purpose
        if layer.type == "Convolution" and view.layers[above].convolution_param.group > 1:
            continue  # depthwise, then 1x1
        if any(view.layers[j].type.endswith("Loss") for j in view.readers[above]):
            continue  # a feature layer with a loss of its own
        found.append((view.layers[above].name, layer.name))
    for above_name, name in found[:1]:
        text = f"no activation between {above_name} and {name}: together they are one linear layer"
        yield Problem(text, layer=name)


def _pointwise(layer: Any) -> bool:
    param = layer.convolution_param
    return list(param.kernel_size) == [1] and param.group == 1


def batchnorm_rate(subject: Subject) -> Iterator[Problem]:
    """BatchNorm's blobs are statistics, not weights; Caffe sets their lr_mult itself."""
    for layer in subject.net.layer:
        if layer.type == "BatchNorm" and any(spec.lr_mult for spec in layer.param):
            yield Problem("lr_mult other than 0 for its statistics", layer=layer.name)


def batchnorm_statistics(subject: Subject) -> Iterator[Problem]:
    """use_global_stats against the phase."""
    fixed, loose = [], []
    for layer in subject.net.layer:
        param = layer.batch_norm_param
        if layer.type != "BatchNorm" or not param.HasField("use_global_stats"):
            continue
        if param.use_global_stats and "TRAIN" in phases(layer) and subject.is_trained():
            fixed.append(layer.name)
        elif not param.use_global_stats and "TEST" in phases(layer):
            loose.append(layer.name)
    if loose:
        text = f"use_global_stats: false in phase TEST: a result depends on its batch ({names(loose)})"
        yield Problem(
            text, "leave use_global_stats out: Caffe follows the phase", loose[0], severity="warning"
        )
    if fixed:
        text = f"use_global_stats: true while training: statistics are never learned ({names(fixed)})"
        yield Problem(text, "right for fine-tuning a loaded model; else leave it out", fixed[0])


def batchnorm_scale(subject: Subject) -> Iterator[Problem]:
    """Caffe's BatchNorm has no affine part of its own."""
    view = subject.main
    if view is None or not subject.is_trained():
        return
    bare = [
        layer.name for i, layer in view.of_type(("BatchNorm",))
        if view.feeds[i] and view.feeds[i][0] is not None and view.readers[i]
        and view.layers[view.feeds[i][0]].type in LEARNED
        and not any(view.layers[j].type in ("Scale", "Bias") for j in view.readers[i])
    ]  # fmt: skip
    if bare:
        yield Problem(f"no Scale layer after it: {names(bare)}", layer=bare[0])


def batchnorm_bias(subject: Subject) -> Iterator[Problem]:
    """The mean that BatchNorm subtracts takes the bias with it."""
    view = subject.main
    if view is None or not subject.is_trained():
        return
    found = []
    for i, _ in view.of_type(("BatchNorm",)):
        above = view.feeds[i][0] if view.feeds[i] else None
        layer = view.layers[above] if above is not None else None
        if layer is not None and layer.type == "Convolution" and layer.convolution_param.bias_term:
            found.append(layer.name)
    if found:
        yield Problem(f"a bias before BatchNorm does nothing: {names(found)}", layer=found[0])


def batchnorm_batch(subject: Subject) -> Iterator[Problem]:
    """Statistics of very few images are noise; iter_size does not help, each batch has its own."""
    view = subject.main
    if view is None or not subject.is_trained():
        return
    norms = [
        layer for _, layer in view.of_type(("BatchNorm",)) if not layer.batch_norm_param.use_global_stats
    ]
    for layer in view.layers if norms else ():
        batch = subject.batch_size(layer)
        if layer.type in DATA_PARAMS and 0 < batch < 4 and view.phase == "TRAIN":
            text = f"batch_size {batch} for {len(norms)} BatchNorm layers"
            yield Problem(text, "batch_size: 16 or more", layer.name)


def dropout_ratio(subject: Subject) -> Iterator[Problem]:
    """The share that is dropped."""
    for layer in subject.net.layer:
        ratio = layer.dropout_param.dropout_ratio
        if layer.type == "Dropout" and not 0 < ratio < 1:
            yield Problem(
                f"dropout_ratio {ratio:g} is not between 0 and 1", layer=layer.name, severity="error"
            )
        elif layer.type == "Dropout" and ratio > 0.9:
            yield Problem(f"dropout_ratio {ratio:g} keeps only {1 - ratio:.0%}", layer=layer.name)


def last_layer(subject: Subject) -> Iterator[Problem]:
    """Between the classifier and its loss nothing should cut or drop the scores."""
    view = subject.main
    if view is None:
        return
    for i in view.losses():
        loss = view.layers[i]
        if loss.type not in ("SoftmaxWithLoss", "HingeLoss", "InfogainLoss"):
            continue
        above = view.above(i)
        learned = above is not None and view.layers[above].type in LEARNED
        for layer in view.path(i) if learned else ():
            if layer.type == "Dropout":
                text = f"it drops scores of the classes before {loss.name}"
                yield Problem(text, "before the last learned layer, not after it", layer.name)
            elif layer.type in ("ReLU", "Sigmoid"):
                text = f"{layer.type} on the scores of the classes before {loss.name}"
                yield Problem(text, f"feed {loss.name} from the layer before", layer.name)


def dropout_before_batchnorm(subject: Subject) -> Iterator[Problem]:
    """Dropout before BatchNorm: the variance seen while training is not that of the test."""
    view = subject.main
    if view is None or not subject.is_trained():
        return
    for i, layer in view.of_type(("BatchNorm",)):
        if any(each.type == "Dropout" for each in view.path(i)):
            yield Problem("Dropout before it makes its statistics wrong in the test", layer=layer.name)


RULES = {
    "batchnorm-batch": Rule(
        batchnorm_batch, "warning",
        "Mean and variance of so few images are noise; iter_size does not help.",
        "a larger batch_size", IOFFE),
    "batchnorm-bias": Rule(
        batchnorm_bias, "note",
        "BatchNorm subtracts the mean, and the bias with it; the Scale layer has one that works.",
        "bias_term: false in the convolution", f"{IOFFE}, section 3.2"),
    "batchnorm-rate": Rule(
        batchnorm_rate, "error",
        "Caffe stops, or sets it to 0 itself: the blobs are running sums, not weights.",
        "leave the param blocks out", f"{CAFFE} batch_norm_layer.cpp LayerSetUp"),
    "batchnorm-scale": Rule(
        batchnorm_scale, "note",
        "Caffe's BatchNorm only subtracts and divides; without a Scale layer no unit can choose its range.",
        'layer { type: "Scale" scale_param { bias_term: true } } after it', f"{CAFFE} batch_norm_layer.hpp"),
    "batchnorm-statistics": Rule(
        batchnorm_statistics, "note",
        "Caffe follows the phase by itself: batch statistics in TRAIN, learned ones in TEST.",
        "leave use_global_stats out", f"{CAFFE} batch_norm_layer.cpp LayerSetUp"),
    "dropout-before-batchnorm": Rule(
        dropout_before_batchnorm, "warning",
        "Dropout widens the variance while training only; BatchNorm then divides by the wrong one in the"
        " test.",
        "dropout after the last BatchNorm", "Li et al., Understanding the Disharmony between Dropout and"
        " Batch Normalization, 2018"),
    "dropout-ratio": Rule(
        dropout_ratio, "warning",
        "dropout_ratio is the share that is dropped; what stays is scaled by 1 / (1 - ratio).",
        "dropout_ratio: 0.5", f"{CAFFE} dropout_layer.cpp"),
    "last-layer": Rule(
        last_layer, "warning",
        "The loss needs free scores: cut or dropped ones have no gradient, or a wrong one.",
        "feed the loss from the last learned layer", f"{CAFFE} softmax_loss_layer.cpp"),
    "no-activation": Rule(
        no_activation, "note",
        "Without an activation two layers compute what one could.",
        "an activation between them", f"{PATTERNS}, pattern 3"),
    "no-normalisation": Rule(
        no_normalisation, "note",
        "Through many layers the scale of activations and gradients drifts: training is slow or fails.",
        "BatchNorm and Scale after each convolution", f"{IOFFE}; {PATTERNS}, pattern 9"),
    "relu-rate": Rule(
        relu_rate, "warning",
        "A step that is too large pushes ReLUs where no input reaches them: they are dead for good.",
        "a lower base_lr, or Leaky ReLU, PReLU or Maxout", CS231N),
    "saturating-deep": Rule(
        saturating_deep, "warning",
        "Each Sigmoid or TanH multiplies the gradient by at most 0.25 or 1: through several of them the"
        " first layers hardly learn.",
        "ReLU, or batch normalisation before each", GLOROT),
}  # fmt: skip
