"""A net that the user wrote: data paths, batch sizes and the number of classes are filled in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import TEST, TRAIN
from caffekit.formats.prototxt import read_net, read_text, to_text
from caffekit.formats.prototxt_patch import patched
from caffekit.graph.rules_python import is_shipped_loss, loss_options
from caffekit.netgen.solver import Plan
from caffekit.netgen.std_layer import insert
from caffekit.netgen.structure import classifiers, data_layers, parameters, phases
from caffekit.netgen.templates import Data


def own_texts(path: Path, data: Data, plan: Plan) -> tuple[str, str, list[str]]:
    """train_val and deploy of the net in `path`, and a line per change; train_val keeps its comments.

    FormatError when a phase has no Data layer of its own, or no classifier is found.
    """
    net = read_net(path)
    notes = _fill_data(net, path, data, plan) + _fill_classifier(net, path, data)
    head = f"# {path.name}, with data, batch sizes and classes filled in\n"
    return head + patched(read_text(path), net), head + to_text(deploy_net(net, data)), notes


def _fill_data(net: Any, path: Path, data: Data, plan: Plan) -> list[str]:
    notes = _part_phases(net) if data.test else []
    wanted = {"TRAIN": (data.train, plan.batch_size)}
    if data.test:
        wanted["TEST"] = (data.test, plan.test_batch_size)
    for phase, (source, batch_size) in wanted.items():
        layers = [layer for layer in data_layers(net) if phase in phases(layer)]
        if len(layers) != 1 or (data.test and len(phases(layers[0])) != 1):
            both = " for both phases" if len(layers) == 1 else ""
            raise FormatError(
                f"{path}: expected one Data layer for phase {phase} alone, found {len(layers)}{both}",
                f"give each Data layer its `include {{ phase: {phase} }}`",
            )
        layer = layers[0]
        _fill_ones(net, phase, layer.data_param.batch_size, batch_size)
        layer.data_param.source = source
        layer.data_param.batch_size = batch_size
        layer.data_param.backend = layer.data_param.LMDB
        notes.append(f"{layer.name} ({phase}): {source}, batch_size {batch_size}")
        notes += _fill_transform(layer, data)
    if data.factors and not any("left as they are" in note for note in notes):
        notes += insert(net, data.factors)
    return notes


def _part_phases(net: Any) -> list[str]:
    """A single Data layer that both phases read (of a file for training alone) becomes one for each."""
    layers = data_layers(net)
    if len(layers) != 1 or len(phases(layers[0])) != 2 or layers[0].include or layers[0].exclude:
        return []
    both = [type(one).FromString(one.SerializeToString()) for one in net.layer]
    index = next(i for i, one in enumerate(both) if one.type == "Data")
    test = type(layers[0]).FromString(layers[0].SerializeToString())
    both[index].include.add(phase=TRAIN)
    test.include.add(phase=TEST)
    test.transform_param.ClearField("mirror")
    del net.layer[:]
    net.layer.extend([*both[: index + 1], test, *both[index + 1 :]])
    return [f"{test.name}: read in both phases; now one for each"]


def _fill_ones(net: Any, phase: str, was: int, batch_size: int) -> None:
    """DummyData as long as the batch (drop-path's ones) stays as long as the batch."""
    for layer in net.layer:
        if layer.type == "DummyData" and phase in phases(layer):
            for shape in layer.dummy_data_param.shape:
                if shape.dim and shape.dim[0] == was:
                    shape.dim[0] = batch_size


def _fill_transform(layer: Any, data: Data) -> list[str]:
    """Mean and scale are one contract with evaluation and deployment; what the user set stays."""
    transform = layer.transform_param
    if transform.mean_value or transform.HasField("mean_file") or transform.HasField("scale"):
        return [f"{layer.name}: mean and scale are left as they are"]
    transform.mean_value.extend(data.mean_values)
    if data.scale != 1:
        transform.scale = data.scale
    return []


def _fill_classifier(net: Any, path: Path, data: Data) -> list[str]:
    notes = []
    for layer in classifiers(net):
        given = parameters(layer)
        if given.num_output != data.classes:
            notes.append(f"{layer.name}: num_output {given.num_output} → {data.classes}")
            given.num_output = data.classes
    margins = [layer for layer in net.layer if is_shipped_loss(layer) and "classes" in loss_options(layer)]
    for layer in margins:
        own = json.loads(layer.python_param.param_str)
        if own["classes"] != data.classes:
            notes.append(f"{layer.name}: classes {own['classes']} → {data.classes}")
            layer.python_param.param_str = json.dumps({**own, "classes": data.classes})
    if not margins and not any(True for _ in classifiers(net)):
        raise FormatError(
            f"{path}: no classifier found: no learned layer leads to a SoftmaxWithLoss",
            "end the net with an InnerProduct or Convolution and SoftmaxWithLoss",
        )
    return notes


def deploy_net(net: Any, data: Data) -> Any:
    """The net without labels: an Input for its data layer, and Softmax for its losses."""
    out = type(net)(name=net.name)  # a fork's message stays one
    labels: set[str] = set()  # blobs that exist only where labels do
    instead: dict[str, str] = {}  # a margin that only training adds: what it is added to
    probabilities = 0
    for layer in _one_phase(net):
        bottoms = [instead.get(name, name) for name in layer.bottom]
        if layer.type == "Data":
            crop = layer.transform_param.crop_size
            shape = [1, data.channels, crop or data.height, crop or data.width]
            entry = out.layer.add(name=layer.name, type="Input", top=layer.top[:1])
            entry.input_param.shape.add().dim.extend(shape)
            labels.update(layer.top[1:])
        elif layer.type == "LabelSpecificAdd":
            instead[layer.top[0]] = bottoms[0]
        elif layer.type == "SoftmaxWithLoss" and bottoms[0] not in labels:
            probabilities += 1
            name = "prob" if probabilities == 1 else f"prob{probabilities}"
            out.layer.add(name=name, type="Softmax", bottom=bottoms[:1], top=[name])
            labels.update(layer.top)
        elif labels.intersection(bottoms):
            labels.update(layer.top)
        else:
            _copy(layer, bottoms, out.layer.add())
            for top in layer.top:
                instead.pop(top, None)
    return out


def _copy(layer: Any, bottoms: list[str], out: Any) -> None:
    """Make `out` the layer with these bottoms, in every phase."""
    out.CopyFrom(layer)
    out.bottom[:] = bottoms
    del out.include[:], out.exclude[:]


def _one_phase(net: Any) -> list[Any]:
    """The layers of the TEST net; of the TRAIN net where no data is tested on."""
    tested = any("TEST" in phases(layer) for layer in data_layers(net))
    return [layer for layer in net.layer if ("TEST" if tested else "TRAIN") in phases(layer)]
