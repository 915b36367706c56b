"""Lint rules about classes and labels."""

from __future__ import annotations

from collections.abc import Iterator

from caffekit.netgen.rules.rule import CAFFE, Rule
from caffekit.netgen.structure import classifiers, parameters
from caffekit.netgen.subject import Problem, Subject

RARE = 20  # times fewer images than the largest class


def num_output(subject: Subject) -> Iterator[Problem]:
    """The classifier has one output per class; a label beyond them is read out of bounds."""
    if subject.classes is None:
        return
    for layer in classifiers(subject.net):
        given = parameters(layer).num_output
        fix = f"num_output: {subject.classes}"
        if given < subject.classes:
            yield Problem(f"num_output {given}, but the data has {subject.classes} classes", fix, layer.name)
        elif given > subject.classes:
            message = f"num_output {given} for {subject.classes} classes: outputs that nothing teaches"
            yield Problem(message, fix, layer.name, severity="warning")


def one_class(subject: Subject) -> Iterator[Problem]:
    """The softmax of one score is 1, whatever the score is."""
    for layer in classifiers(subject.net):
        losses = [each.type for each in subject.net.layer if set(each.bottom[:1]) & set(layer.top)]
        if parameters(layer).num_output == 1 and "SoftmaxWithLoss" in losses:
            text = "one output before SoftmaxWithLoss: the loss is 0 whatever the net says"
            yield Problem(text, "num_output: 2, or SigmoidCrossEntropyLoss", layer.name)


def top_k(subject: Subject) -> Iterator[Problem]:
    """Among k of k classes the right one always is."""
    for view in subject.views:
        for i, layer in view.of_type(("Accuracy", "ArgMax")):
            param = layer.accuracy_param if layer.type == "Accuracy" else layer.argmax_param
            shape = view.bottoms[i][0] if view.bottoms[i] else None
            above = view.above(i)
            classes = shape[1] if shape and len(shape) > 1 else 0
            if not classes and above is not None and view.layers[above].type == "InnerProduct":
                classes = view.layers[above].inner_product_param.num_output
            if classes and param.top_k > classes:
                yield Problem(
                    f"top_k {param.top_k} of {classes} classes", f"top_k: {min(5, classes)}", layer.name
                )
            elif classes > 1 and param.top_k == classes and layer.type == "Accuracy":
                text = f"top_k {param.top_k} of {classes} classes is always 1"
                yield Problem(text, "top_k: 1", layer.name, severity="warning")
        if any(layer.type in ("Accuracy", "ArgMax") for layer in view.layers):
            return


def labels(subject: Subject) -> Iterator[Problem]:
    """Labels are 0 … classes - 1, each of them in the data."""
    outputs = min((parameters(layer).num_output for layer in classifiers(subject.net)), default=None)
    if outputs is None:
        return
    layer = next(iter(classifiers(subject.net))).name
    for phase, counts in subject.labels.items():
        wrong = sorted(label for label in counts if not 0 <= label < outputs)
        seen = {label for label in counts if 0 <= label < outputs}
        if wrong and (subject.classes or 0) <= outputs:  # else the rule num-output says so
            shown = ", ".join(map(str, wrong[:5])) + (" …" if len(wrong) > 5 else "")
            records = sum(counts[label] for label in wrong)
            text = f"{records} records of phase {phase} have labels outside 0 … {outputs - 1}: {shown}"
            shifted = min(counts) == 1 and max(counts) == outputs
            fix = (
                "labels begin at 0: subtract 1 from each" if shifted else "remove them (db check names them)"
            )
            yield Problem(text, fix, layer)
        elif not wrong and phase == "TRAIN" and len(seen) < min(outputs, max(counts, default=0) + 1):
            absent = [label for label in range(outputs) if label not in seen]
            shown = ", ".join(map(str, absent[:5])) + (" …" if len(absent) > 5 else "")
            text = f"no training image has label {shown}: {len(absent)} of {outputs} classes are never taught"
            yield Problem(text, "number the labels without gaps", layer, severity="warning")


def imbalance(subject: Subject) -> Iterator[Problem]:
    """A class with very few images beside one with many."""
    counts = subject.labels.get("TRAIN")
    layer = next(iter(classifiers(subject.net)), None)
    if counts and layer is not None and len(counts) > 1:
        (_, most), (rare, least) = counts.most_common()[0], counts.most_common()[-1]
        if most > RARE * least:
            text = f"class {rare} has {least} training images, the largest {most}"
            yield Problem(text, layer=layer.name)


RULES = {
    "imbalance": Rule(
        imbalance, "warning",
        "The loss is the mean over images: a rare class hardly counts.",
        "caffekit balance, or class weights through InfogainLoss", f"{CAFFE} infogain_loss_layer.hpp"),
    "labels": Rule(
        labels, "error",
        "A label is read as an index into the scores, unchecked: the loss is then 87.3365, nan, or made of"
        " whatever lies in memory.",
        "labels 0 … num_output - 1", f"{CAFFE} softmax_loss_layer.cpp (DCHECK only)"),
    "num-output": Rule(
        num_output, "error",
        "The classifier has one output per class; a label beyond them is read out of bounds.",
        "num_output equal to the number of classes", f"{CAFFE} softmax_loss_layer.cpp"),
    "one-class": Rule(
        one_class, "error",
        "The softmax of one score is 1: the loss is 0 from the start, and nothing is learned.",
        "num_output: 2, or SigmoidCrossEntropyLoss", f"{CAFFE} softmax_layer.cpp"),
    "top-k": Rule(
        top_k, "error",
        "Caffe stops: the k best of fewer than k classes do not exist.",
        "top_k no larger than the number of classes", f"{CAFFE} accuracy_layer.cpp Reshape"),
}  # fmt: skip
