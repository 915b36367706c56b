"""Lint rules about the net that is deployed, against the one that was trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffekit.netgen.rules.rule import CAFFE, Rule, names
from caffekit.netgen.structure import LEARNED
from caffekit.netgen.subject import DATA_PARAMS, Problem, Subject

COMPARED = {
    **LEARNED,
    "BatchNorm": "batch_norm_param",
    "Scale": "scale_param",
    "PReLU": "prelu_param",
    "Pooling": "pooling_param",
    "LRN": "lrn_param",
    "ReLU": "relu_param",
    "Eltwise": "eltwise_param",
    "Normalize": "normalize_param",
}
NOT_COMPARED = (
    "weight_filler",
    "bias_filler",
    "filler",
    "engine",
    "use_global_stats",
    "moving_average_fraction",
)
ONLY_TRAINING = ("Accuracy",)


def deploy_mismatch(subject: Subject) -> Iterator[Problem]:
    """Layers of the same name must compute the same."""
    trained = subject.trained
    if trained is None:
        return
    theirs = {layer.name: layer for layer in trained.layer}
    for layer in subject.net.layer:
        if layer.type not in COMPARED:
            continue
        other = theirs.get(layer.name)
        if other is None:
            if layer.type in LEARNED:
                yield Problem(
                    "the trained net has no layer of this name: nothing is loaded into it", layer=layer.name
                )
        elif other.type != layer.type:
            yield Problem(f"{layer.type} here, {other.type} in the trained net", layer=layer.name)
        else:
            for key, ours, trained_value in _differences(layer, other):
                text = f"{key} {ours} here, {trained_value} in the trained net"
                yield Problem(text, f"{key}: {trained_value}", layer.name)


def _differences(layer: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    """The fields of the layer's own parameter in which the two are not alike."""
    name = COMPARED[layer.type]
    for field in getattr(layer, name).DESCRIPTOR.fields:
        if field.name in NOT_COMPARED:
            continue
        ours, theirs = (getattr(getattr(each, name), field.name) for each in (layer, other))
        if field.message_type is None and ours != theirs:
            yield field.name, _shown(field, ours), _shown(field, theirs)


def _shown(field: Any, value: Any) -> str:
    if field.is_repeated:
        return str(list(value))
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def deploy_input(subject: Subject) -> Iterator[Problem]:
    """The deployed net is fed what the data layer made: the crop's size."""
    if subject.trained is None:
        return
    crops = {
        layer.transform_param.crop_size for layer in subject.trained.layer
        if layer.type in DATA_PARAMS and layer.transform_param.crop_size
    }  # fmt: skip
    for layer in subject.net.layer:
        for shape in layer.input_param.shape if layer.type == "Input" else ():
            sides = set(shape.dim[2:])
            if len(shape.dim) == 4 and len(crops) == 1 and sides != crops:
                crop = min(crops)
                text = (
                    f"an input of {shape.dim[3]}x{shape.dim[2]}, but the net was trained on crops of {crop}"
                )
                yield Problem(text, f"dim: {crop} dim: {crop}", layer.name, severity="warning")


def training_layers(subject: Subject) -> Iterator[Problem]:
    """Labels and losses have no place in a deployed net."""
    if not subject.is_deploy():
        return
    found = [
        layer.name for layer in subject.net.layer
        if layer.type.endswith("Loss") or layer.type in ONLY_TRAINING
    ]  # fmt: skip
    inputs = [layer for layer in subject.net.layer if layer.type == "Input" and "label" in layer.top]
    if found and not inputs:
        yield Problem(f"layers of training in a net that is fed: {names(found)}", layer=found[0])


RULES = {
    "deploy-input": Rule(
        deploy_input, "warning",
        "A fully connected layer takes one size only; others see objects at another scale.",
        "the crop_size of the trained net", f"{CAFFE} models/*/deploy.prototxt"),
    "deploy-mismatch": Rule(
        deploy_mismatch, "error",
        "Weights are loaded by name: another shape stops Caffe, another field computes something else"
        " without a word.",
        "the same layer as in the trained net", f"{CAFFE} net.cpp CopyTrainedLayersFrom"),
    "deploy-training-layers": Rule(
        training_layers, "warning",
        "Nobody feeds labels to a deployed net.",
        "Softmax in place of SoftmaxWithLoss; no Accuracy", f"{CAFFE} models/*/deploy.prototxt"),
}  # fmt: skip
