"""Lint rules about how layers are wired: blobs, names, phases, parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffekit.config.problems import near
from caffekit.formats.proto.elsewhere import forks_with_type
from caffekit.graph.shapes import FROM_OUTSIDE, SHAPE_RULES
from caffekit.netgen.rules.rule import CAFFE, Rule, names
from caffekit.netgen.structure import phases
from caffekit.netgen.subject import DATA_PARAMS, Problem, Subject
from caffekit.netgen.view import LEARNED, View, is_loss

NO_IN_PLACE = (
    "AbsVal", "Concat", "Convolution", "Crop", "Deconvolution", "Embed", "Flatten", "Im2col",
    "InnerProduct", "LRN", "Pooling", "Reduction", "Reshape", "Slice", "Split", "Tile",
)  # fmt: skip
BVLC_ONLY_OURS = {  # layer types of forks that the embedded engine knows
    "CenterLoss", "ConvolutionDepthwise", "DepthwiseConvolution", "Flip", "LabelSpecificAdd",
    "MarginInnerProduct", "Normalize", "ReLU6", "TripletLoss",
}  # fmt: skip
WITH_WEIGHTS = (*LEARNED, "BatchNorm", "Scale", "Bias", "PReLU", "Embed", "LSTM", "RNN")
PRINTED = ("Accuracy", "ArgMax", "Softmax", "Sigmoid", "Silence", "Python", "HDF5Output")


def unknown_layer_type(subject: Subject) -> Iterator[Problem]:
    """Types are free strings in caffe.proto."""
    known = [*SHAPE_RULES, *FROM_OUTSIDE]
    for layer in subject.net.layer:
        if not layer.type:
            yield Problem("it has no type", layer=layer.name)
        elif layer.type in BVLC_ONLY_OURS:
            text = f"BVLC has no type '{layer.type}': a fork's, which the embedded engine has too"
            yield Problem(text, "train with the embedded engine, or that fork", layer.name, severity="note")
        elif layer.type not in known:
            forks = names(forks_with_type(layer.type))
            more = f"; a layer of {forks}" if forks else near(layer.type, known, 0.7)
            yield Problem(f"unknown layer type '{layer.type}'{more}", layer=layer.name)


def unknown_bottom(subject: Subject) -> Iterator[Problem]:
    """A bottom that no layer of the phase makes; often one that only the other phase makes."""
    made = {top: layer for layer in subject.net.layer for top in layer.top}
    said = set()
    for view in subject.views:
        for index, name, text in view.missing:
            layer = view.layers[index]
            if (layer.name, name) in said:
                continue
            said.add((layer.name, name))
            maker = made.get(name)
            if maker is not None and view.phase not in phases(maker):
                only = f"in phase {view.phase} nothing makes its bottom {name}: {maker.name} is not in it"
                yield Problem(only, "give the layers that belong together the same phases", layer.name)
            else:
                yield Problem(text, layer=layer.name)


def shapes(subject: Subject) -> Iterator[Problem]:
    """Every layer's input must fit it."""
    said = set()
    for view in subject.views:
        for index, text in view.problems:
            layer = view.layers[index]
            if layer.name not in said and "kernel covers" not in text and not subject.is_guessed(view):
                said.add(layer.name)
                yield Problem(text, layer=layer.name)


def duplicate_top(subject: Subject) -> Iterator[Problem]:
    """Two layers of one phase that make the same blob, other than in place."""
    said = set()
    for view in subject.views:
        made: dict[str, str] = {}
        for layer in view.layers:
            for i, top in enumerate(layer.top):
                again = top in made and list(layer.bottom[i : i + 1]) != [top]
                if again and (layer.name, top) not in said:
                    said.add((layer.name, top))
                    text = f"{made[top]} makes the blob {top} already (phase {view.phase})"
                    yield Problem(text, layer=layer.name)
                made[top] = layer.name


def in_place_branch(subject: Subject) -> Iterator[Problem]:
    """An in-place layer whose bottom somebody else reads, too."""
    said = set()
    for view in subject.views:
        for i, layer in enumerate(view.layers):
            if not layer.bottom or list(layer.top[:1]) != list(layer.bottom[:1]) or layer.name in said:
                continue
            maker, blob = view.feeds[i][0], layer.bottom[0]
            readers = view.readers[maker] if maker is not None else []
            others = [view.layers[j].name for j in readers if j != i and _reads(view, j, blob, maker)]
            if others:
                said.add(layer.name)
                yield Problem(f"it overwrites {blob}, which {names(others)} reads as well", layer=layer.name)


def _reads(view: View, reader: int, blob: str, maker: int | None) -> bool:
    """Whether `reader` takes `blob` as `maker` made it, not as a later in-place layer left it."""
    pairs = zip(view.layers[reader].bottom, view.feeds[reader], strict=True)
    return any(name == blob and feed == maker for name, feed in pairs)


def in_place_type(subject: Subject) -> Iterator[Problem]:
    """Types that read their bottom after they have begun to write their top."""
    for layer in subject.net.layer:
        if layer.type in NO_IN_PLACE and set(layer.top) & set(layer.bottom):
            yield Problem(f"{layer.type} cannot work in place", layer=layer.name)


def duplicate_name(subject: Subject) -> Iterator[Problem]:
    """Weights are stored and loaded by layer name."""
    said = set()
    for view in subject.views:
        seen: dict[str, Any] = {}
        for layer in view.layers:
            first = seen.setdefault(layer.name, layer)
            if first is layer or layer.name in said:
                continue
            said.add(layer.name)
            both = layer.type in WITH_WEIGHTS and first.type in WITH_WEIGHTS
            text = f"a second layer {'of this' if layer.name else 'without a'} name in phase {view.phase}"
            text += ": both load the weights of the first" if both else ""
            yield Problem(text, layer=layer.name, severity="error" if both else "", nth=1)


def unused_blob(subject: Subject) -> Iterator[Problem]:
    """Tops that nobody reads; the solver prints every value of them at each display or test."""
    if not subject.is_trained():
        return
    said = set()
    for view in subject.views:
        strange = [i for i, layer in enumerate(view.layers) if layer.type not in SHAPE_RULES]
        useful = view.ancestors([*view.losses(), *strange, *(i for i, _ in view.of_type(PRINTED))])
        for i, layer in enumerate(view.layers):
            counts = is_loss(layer) or layer.type.endswith("Loss") or layer.type in (*PRINTED, "Split")
            if layer.name in said or counts or not view.losses():
                continue
            read = {name for j in view.readers[i] for name in view.layers[j].bottom}
            idle = [top for top in layer.top if top not in read]
            if not idle or (layer.type in ("Slice", "HDF5Data") and len(idle) < len(layer.top)):
                continue
            said.add(layer.name)
            if layer.type in DATA_PARAMS:
                what = f"nobody reads {names(idle)} in phase {view.phase}: every value is printed"
                fix = f'layer {{ type: "Silence" bottom: "{idle[0]}" }}'
                yield Problem(what, fix, layer.name, severity="note")
            elif any(view.layers[j].type in WITH_WEIGHTS for j in view.ancestors([i]) - useful):
                yield Problem(f"nothing that trains or is measured reads {names(idle)}", layer=layer.name)


def frozen(subject: Subject) -> Iterator[Problem]:
    """A net with a loss in which no layer may learn."""
    for view in subject.views[:1]:
        learners = [
            i for i in range(len(view.layers)) if view.params[i] and view.layers[i].type != "BatchNorm"
        ]
        if not subject.is_trained() or not learners:
            continue
        if not any(_learns(view.layers[i], len(view.params[i])) for i in learners):
            text = f"lr_mult is 0 in every layer with weights ({len(learners)} of them): nothing learns"
            yield Problem(text, layer=view.layers[learners[-1]].name)


def _learns(layer: Any, count: int) -> bool:
    return len(layer.param) < count or any(spec.lr_mult for spec in layer.param)


def propagate_down(subject: Subject) -> Iterator[Problem]:
    """propagate_down is given for no bottom or for each."""
    for layer in subject.net.layer:
        if len(layer.propagate_down) not in (0, len(layer.bottom)):
            text = f"{len(layer.propagate_down)} propagate_down for {len(layer.bottom)} bottoms"
            yield Problem(text, layer=layer.name)


def include_exclude(subject: Subject) -> Iterator[Problem]:
    """Rules that let a layer in, or rules that keep it out."""
    for layer in subject.net.layer:
        if layer.include and layer.exclude:
            yield Problem("it has include and exclude rules", layer=layer.name)


def shared_parameters(subject: Subject) -> Iterator[Problem]:
    """Layers that share a parameter by name must agree about it."""
    for view in subject.views[:1]:
        owners: dict[str, tuple[Any, Any, Any]] = {}
        for i, layer in enumerate(view.layers):
            for k, spec in enumerate(layer.param):
                if view.params[i] and k >= len(view.params[i]):
                    text = f"{len(layer.param)} param blocks, but it has {len(view.params[i])} parameters"
                    yield Problem(text, "one param block for each parameter, in order", layer.name)
                    break
                shape = view.params[i][k] if view.params[i] else None
                if not spec.name:
                    continue
                owner, first, owned = owners.setdefault(spec.name, (layer, spec, shape))
                strict = spec.share_mode == spec.STRICT
                if shape and owned and strict and shape != owned:
                    text = f"it shares {spec.name} with {owner.name}, but the shapes are {shape} and {owned}"
                    yield Problem(text, layer=layer.name)
                elif spec.HasField("lr_mult") and first.HasField("lr_mult") and spec.lr_mult != first.lr_mult:
                    text = f"it shares {spec.name} with {owner.name}, but lr_mult is another"
                    yield Problem(text, layer=layer.name)


def phase_gap(subject: Subject) -> Iterator[Problem]:
    """A net that reads test data and measures nothing on it."""
    if not subject.is_trained():
        return
    for view in subject.views:
        data = [layer for layer in view.layers if layer.type in DATA_PARAMS]
        measured = view.losses() or any(True for _ in view.of_type((*PRINTED, "Reduction")))
        if view.phase == "TEST" and data and not measured:
            yield Problem(
                "phase TEST has neither a loss nor an Accuracy: a test says nothing", layer=data[0].name
            )


def no_loss(subject: Subject) -> Iterator[Problem]:
    """A net that reads labels but makes nothing small."""
    layers = subject.net.layer
    if subject.solver is None or subject.is_trained() or not layers or subject.is_deploy():
        return
    known = {*SHAPE_RULES, *FROM_OUTSIDE} - {"Python"}
    if all(layer.type in known for layer in layers):  # others may be losses
        yield Problem("no layer is a loss: the solver has nothing to make small", layer=layers[-1].name)


RULES = {
    "duplicate-name": Rule(
        duplicate_name, "note",
        "Weights are stored and loaded by layer name: the second is never found.",
        "give each layer a name of its own", f"{CAFFE} net.cpp CopyTrainedLayersFrom"),
    "duplicate-top": Rule(
        duplicate_top, "error",
        "Caffe stops: a top blob has one source, or is changed in place.",
        "give the top another name", f"{CAFFE} net.cpp AppendTop"),
    "frozen": Rule(
        frozen, "error",
        "With lr_mult 0 everywhere the loss stands still, whatever base_lr is.",
        "leave lr_mult out where the layer shall learn", f"{CAFFE} net.cpp Init (param_need_backward)"),
    "in-place-branch": Rule(
        in_place_branch, "error",
        "Caffe splits a blob that several layers read; an in-place layer's top then has two sources, and it"
        " stops.",
        "give the layer a top of its own", f"{CAFFE} insert_splits.cpp, net.cpp AppendTop"),
    "in-place-type": Rule(
        in_place_type, "error",
        "The layer reads its bottom after it has begun to write its top.",
        "give the layer a top of its own", f"{CAFFE} reshape_layer.cpp, flatten_layer.cpp,"
        " absval_layer.cpp"),
    "include-exclude": Rule(
        include_exclude, "error",
        "Caffe stops: a layer has include rules or exclude rules, not both.",
        "keep one kind of rule", f"{CAFFE} net.cpp FilterNet"),
    "no-loss": Rule(
        no_loss, "warning",
        "Without a loss there is no gradient; the solver would only decay the weights.",
        "add a loss layer, or give a loss_weight", f"{CAFFE} layer.hpp SetLossWeights"),
    "phase-gap": Rule(
        phase_gap, "warning",
        "The test net runs, but nothing of it is a measure.",
        "let the loss or an Accuracy layer into phase TEST", f"{CAFFE} solver.cpp Test"),
    "propagate-down": Rule(
        propagate_down, "error",
        "Caffe stops: propagate_down is given for no bottom or for every one.",
        "one propagate_down a bottom, or none", f"{CAFFE} net.cpp Init"),
    "shapes": Rule(
        shapes, "error",
        "The layer cannot take what enters it, or its fields contradict each other.",
        "change the layer, or what enters it", f"{CAFFE} Reshape of the layer"),
    "shared-parameters": Rule(
        shared_parameters, "error",
        "Layers that share a parameter must have the same shape and lr_mult for it.",
        "give the shared parameter the same fields in each layer", f"{CAFFE} net.cpp AppendParam"),
    "unknown-bottom": Rule(
        unknown_bottom, "error",
        "Caffe stops: a bottom is the top of a layer above, in the same phase.",
        "name a top of a layer above", f"{CAFFE} net.cpp AppendBottom"),
    "unknown-layer-type": Rule(
        unknown_layer_type, "error",
        "The type is a free string in caffe.proto; Caffe stops when it makes the layer.",
        "correct the type, or train with the fork that has it", f"{CAFFE} layer_factory.hpp CreateLayer"),
    "unused-blob": Rule(
        unused_blob, "warning",
        "A top that nobody reads is a net output: all its values are printed at each display or test; layers"
        " that only lead there are never taught.",
        "remove the layer, or end it in a Silence layer", f"{CAFFE} net.cpp Init, solver.cpp Step"),
}  # fmt: skip
