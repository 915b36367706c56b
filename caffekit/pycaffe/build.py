"""Builds the layers and blobs of a net from its NetParameter, as Net::Init does."""

from __future__ import annotations

import difflib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from caffekit.formats.caffe_pb2 import ParamSpec
from caffekit.graph import filter_net, insert_splits
from caffekit.graph.rules_python import is_shipped_loss
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers import LAYERS
from caffekit.pycaffe.layers.shipped_losses import SHIPPED_LOSSES
from caffekit.pycaffe.log import log, log_creating, log_message

WITH_INNER_LAYER = {"InfogainLoss", "SoftmaxWithLoss"}
"""Types that make a layer of their own inside, under their own name, in BVLC Caffe's log; so does Scale."""


AUTOMATIC = "(automatic)"
"""What Caffe calls the top of a loss layer that the prototxt gives none."""

Place = tuple[str, int]
"""A parameter: its layer's name and its number there."""
Owner = tuple[Blob, int, Place, Any]
"""A named parameter: its blob, its number among the learnable ones, its place, all its ParamSpecs say."""


@dataclass
class Built:
    """A net's parts, in layer order; every layer knows its bottoms and tops by name."""

    name: str
    phase: int
    layers: list[Layer] = field(default_factory=list)
    bottoms: list[list[str]] = field(default_factory=list)
    tops: list[list[str]] = field(default_factory=list)
    need_backward: list[bool] = field(default_factory=list)
    blobs: OrderedDict[str, Blob] = field(default_factory=OrderedDict)
    loss_weights: dict[str, float] = field(default_factory=dict)
    learnable: list[tuple[Blob, float, float]] = field(default_factory=list)
    """(parameter, lr_mult, decay_mult) of each parameter that is not a shared copy of an earlier one."""
    outputs: list[str] = field(default_factory=list)
    memory: int = 0
    """Bytes of all tops, those in place counted again as Caffe does."""


def build(net: Any) -> Built:
    """Set up every layer of `net` that its `state` lets in; ValueError names the layer that is wrong."""
    state = net.state
    filtered = filter_net(net, state.phase, state.level, state.stage, log)
    if net.HasField("state"):
        filtered.state.CopyFrom(state)
    else:
        filtered.ClearField("state")
    log_message("net.cpp:53", "Initializing net from parameters: ", filtered)
    param = insert_splits(filtered)
    built = Built(param.name, state.phase)
    available: dict[str, bool] = {}  # blobs that no layer has consumed yet -> need a gradient
    owners: dict[str, Owner] = {}
    for layer_param in param.layer:
        _add_layer(built, layer_param, available, owners)
    _mark_backward(built)
    if net.force_backward:
        _force_backward(built)
    built.outputs = sorted(available)
    for name in built.outputs:
        log("net.cpp:244", f"This network produces output {name}")
    log("net.cpp:257", "Network initialization done.")
    return built


def _add_layer(built: Built, param: Any, available: dict[str, bool], owners: dict[str, Owner]) -> None:
    if not param.HasField("phase"):
        param.phase = built.phase
    log_creating(param.name)
    layer = make_layer(param, built.phase)
    log("net.cpp:86", f"Creating Layer {param.name}")
    needs = [_take(built, param, i, available) for i in range(len(param.bottom))]
    if len(param.propagate_down) not in (0, len(needs)):
        raise ValueError(
            f"layer '{param.name}': propagate_down param must be specified either 0 or bottom_size times"
            f" ({len(needs)}), got {len(param.propagate_down)}"
        )
    bottom = [built.blobs[name] for name in param.bottom]
    # It says which bottoms get a gradient, not whether the layer needs to run backward.
    layer.propagate_down = list(param.propagate_down) or list(needs)
    names = _name_tops(built, layer)
    stated = [spec.lr_mult != 0 for spec in param.param]  # before BatchNorm's setup adds its zeros
    layer.setup(bottom)
    top_shapes, param_shapes = layer.top_shapes([blob.shape for blob in bottom])
    layer.make_params(param_shapes)
    specs = _param_specs(param, len(layer.blobs))
    layer.param_propagate_down = [spec.lr_mult != 0 for spec in specs]
    if param.type in WITH_INNER_LAYER or (param.type == "Scale" and param.scale_param.bias_term):
        log_creating(param.name)
    _add_tops(built, layer, names, top_shapes)
    for i, (blob, spec) in enumerate(zip(layer.blobs, specs, strict=True)):
        _share_or_learn(built, (param.name, i), blob, spec, owners)
    layer.param_backward_stated = stated + [True] * (len(layer.blobs) - len(stated))
    need = any(needs) or any(layer.param_backward_stated)
    built.need_backward.append(need)
    for name in param.top:  # a top without a name is nobody's input and no output
        available[name] = need


def make_layer(param: Any, phase: int) -> Layer:
    """The layer object for `param`; ValueError with the nearest known type for an unknown one."""
    if is_shipped_loss(param):
        return SHIPPED_LOSSES[param.python_param.layer](param, phase)
    if param.type not in LAYERS:
        folded = {name.lower(): name for name in LAYERS}
        near = difflib.get_close_matches(param.type.lower(), folded, 1)
        meant = f"did you mean {folded[near[0]]}?" if near else f"known are {', '.join(LAYERS)}"
        raise ValueError(f"layer '{param.name}': Unknown layer type: {param.type} ({meant})")
    return LAYERS[param.type](param, phase)


def _take(built: Built, param: Any, index: int, available: dict[str, bool]) -> bool:
    """Consume a bottom; whether it needs a gradient."""
    name = param.bottom[index]
    if name not in available:
        raise ValueError(f"Unknown bottom blob '{name}' (layer '{param.name}', bottom index {index})")
    log("net.cpp:408", f"{param.name} <- {name}")
    return available.pop(name)


def _name_tops(built: Built, layer: Layer) -> list[str]:
    """The names of the tops, announced; a loss layer without one gets one of its own."""
    param = layer.layer_param
    names = list(param.top)
    for i, name in enumerate(names):
        if i < len(param.bottom) and name == param.bottom[i]:
            log("net.cpp:369", f"{param.name} -> {name} (in-place)")
        elif name in built.blobs:
            raise ValueError(f"Top blob '{name}' produced by multiple sources (layer '{param.name}').")
        else:
            log("net.cpp:382", f"{param.name} -> {name}")
    if layer.loss_weight and not names:
        names = [f"{AUTOMATIC} {param.name}"]
        log("net.cpp:382", f"{param.name} -> {AUTOMATIC}")
    return names


def shown_name(blob: str) -> str:
    """The name under which users see a blob: all that the prototxt does not name are called the same."""
    return AUTOMATIC if blob.startswith(f"{AUTOMATIC} ") else blob


def _add_tops(built: Built, layer: Layer, names: list[str], shapes: list[tuple[int, ...]]) -> None:
    """Make the top blobs and write the loss weights into their diffs."""
    param = layer.layer_param
    if layer.loss_weight and not param.loss_weight:
        param.loss_weight.extend([layer.loss_weight] + [0.0] * (len(names) - 1))
    if len(param.loss_weight) not in (0, len(names)):
        raise ValueError(
            f"layer '{param.name}': loss_weight must be unspecified or specified once per top blob."
        )
    weights = list(param.loss_weight) or [0.0] * len(names)
    log("net.cpp:124", f"Setting up {param.name}")
    for i, (name, shape, weight) in enumerate(zip(names, shapes, weights, strict=True)):
        if name not in param.bottom:
            built.blobs[name] = layer.make_top(i, shape)
        text = " ".join(map(str, shape)) + (" " if shape else "")
        log("net.cpp:131", f"Top shape: {text}({built.blobs[name].count})")
        if weight:
            log("net.cpp:134", f"    with loss weight {weight:g}")
            built.blobs[name].grad.fill_(weight)
        built.loss_weights[name] = weight
        built.memory += 4 * built.blobs[name].count
    log("net.cpp:139", f"Memory required for data: {built.memory}")
    built.layers.append(layer)
    built.bottoms.append(list(param.bottom))
    built.tops.append(names)


def _param_specs(param: Any, count: int) -> list[Any]:
    if len(param.param) > count:
        raise ValueError(f"layer '{param.name}': Too many params specified ({len(param.param)} for {count})")
    return [*param.param, *[ParamSpec() for _ in range(count - len(param.param))]]


def _share_or_learn(built: Built, place: Place, blob: Blob, spec: Any, owners: dict[str, Owner]) -> None:
    """Share the memory of the parameter that has this name already, or learn a new one."""
    if not spec.name or spec.name not in owners:
        if spec.name:
            shared = ParamSpec()
            shared.CopyFrom(spec)
            owners[spec.name] = (blob, len(built.learnable), place, shared)
        built.learnable.append((blob, spec.lr_mult, spec.decay_mult))
        return
    owner, index, (layer, i), shared = owners[spec.name]
    log("net.cpp:467", f"Sharing parameters '{spec.name}' owned by layer '{layer}', param index {i}")
    same = owner.count == blob.count if spec.share_mode == ParamSpec.PERMISSIVE else owner.shape == blob.shape
    if not same:
        raise ValueError(
            f"layer '{place[0]}': cannot share param '{spec.name}': its owner has shape {owner.shape},"
            f" this layer expects {blob.shape}"
        )
    blob.share(owner)
    for mult in ("lr_mult", "decay_mult"):
        given, before = getattr(spec, mult), getattr(shared, mult)
        if spec.HasField(mult) and shared.HasField(mult) and given != before:
            raise ValueError(
                f"layer '{place[0]}': Shared param '{spec.name}' has mismatched {mult}: {given:g}, in layer"
                f" '{layer}' {before:g}; give it once, or the same everywhere"
            )
    shared.MergeFrom(spec)
    built.learnable[index] = (owner, shared.lr_mult, shared.decay_mult)


def _mark_backward(built: Built) -> None:
    """Backwards through the net: only layers on a way from a parameter to a loss are differentiated."""
    under_loss: set[str] = set()
    skipped: set[str] = set()
    for i in reversed(range(len(built.layers))):
        layer, tops, bottoms = built.layers[i], built.tops[i], built.bottoms[i]
        contributes = any(built.loss_weights[top] or top in under_loss for top in tops)
        if not contributes or all(top in skipped for top in tops):
            built.need_backward[i] = False
        for j, bottom in enumerate(bottoms):
            layer.propagate_down[j] &= built.need_backward[i] and contributes
            if layer.propagate_down[j] and not _can_have_gradient(layer, j):
                layer.propagate_down[j] = False
                layer.refusal = (
                    f"layer '{layer.layer_param.name}': {layer.type} cannot backpropagate to its bottom"
                    f" '{bottom}' (index {j}); `propagate_down: false` for that bottom stops it there"
                )
            if contributes:
                under_loss.add(bottom)
            if not layer.propagate_down[j]:
                skipped.add(bottom)
        needs, source = ("needs", 200) if built.need_backward[i] else ("does not need", 202)
        log(f"net.cpp:{source}", f"{layer.layer_param.name} {needs} backward computation.")


def _force_backward(built: Built) -> None:
    """`force_backward: true`: everything that can have a gradient gets one, lr_mult 0 or not."""
    for i, layer in enumerate(built.layers):
        built.need_backward[i] = True
        layer.param_propagate_down = [True] * len(layer.blobs)
        layer.propagate_down = [
            down or _can_have_gradient(layer, j) for j, down in enumerate(layer.propagate_down)
        ]


def _can_have_gradient(layer: Layer, bottom: int) -> bool:
    return bottom not in layer.no_gradient and -1 not in layer.no_gradient
