"""Lint rules about how weights start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from caffekit.config.problems import near
from caffekit.formats.caffe_pb2 import ParamSpec
from caffekit.netgen.rules.rule import CAFFE, Rule, names
from caffekit.netgen.structure import LEARNED, parameters
from caffekit.netgen.subject import Problem, Subject

FILLERS = ("constant", "gaussian", "uniform", "positive_unitball", "xavier", "msra", "bilinear")
HE = "He et al., Delving Deep into Rectifiers, 2015, section 2.2"
EXPLODING = 5.0  # times the standard deviation that keeps the scale


def zero_filler(subject: Subject) -> Iterator[Problem]:
    """Caffe's default weight filler is constant 0: such a layer learns only from weights that are loaded."""
    if not subject.is_trained():
        return
    found = []
    for layer in subject.net.layer:
        first = layer.param[0] if layer.param else ParamSpec()
        if layer.type not in LEARNED or first.name or first.lr_mult == 0:
            continue  # shared with another layer, or frozen: filled elsewhere
        filler = parameters(layer).weight_filler
        if filler.type == "constant" and filler.value == 0:
            found.append(layer.name)
    if found:
        text = (
            f"weights start at constant 0: unless weights are loaded, all outputs stay equal ({names(found)})"
        )
        yield Problem(text, layer=found[0])


def filler_type(subject: Subject) -> Iterator[Problem]:
    """Filler types are free strings in caffe.proto."""
    for layer in subject.net.layer:
        for what, filler in _fillers(layer):
            if filler.type not in FILLERS:
                text = f"unknown {what} type '{filler.type}'{near(filler.type, FILLERS)}"
                yield Problem(text, f"one of {', '.join(FILLERS)}", layer.name)


def filler_scale(subject: Subject) -> Iterator[Problem]:
    """A gaussian whose std multiplies the signal in every layer; std is 1 unless it is given."""
    view = subject.main
    if view is None or not subject.is_trained():
        return
    for i, layer in enumerate(view.layers):
        if layer.type not in LEARNED or not view.params[i]:
            continue
        filler = parameters(layer).weight_filler
        fan_in = math.prod(view.params[i][0][1:])
        if filler.type != "gaussian" or filler.sparse >= 0 or layer.type == "Embed" or fan_in < 2:
            continue
        good = math.sqrt(2 / fan_in)
        if filler.std > EXPLODING * good:
            given = "std" if filler.HasField("std") else "the default std"
            text = f"{given} {filler.std:g} is {filler.std / good:.0f} times what {fan_in} inputs take"
            yield Problem(text, f'std: {good:.2g}, or type: "msra"', layer.name)


def bilinear(subject: Subject) -> Iterator[Problem]:
    """The bilinear filler makes an enlarging kernel for one channel at a time."""
    for layer in subject.net.layer:
        if layer.type not in ("Convolution", "Deconvolution", "InnerProduct"):
            continue
        param = parameters(layer)
        if param.weight_filler.type != "bilinear":
            continue
        if layer.type == "InnerProduct":
            yield Problem("a bilinear filler fills 4-D weights only", layer=layer.name, severity="error")
        elif layer.type == "Deconvolution" and param.group == 1 and param.num_output > 1 and not layer.param:
            text = "each output adds up all channels: give it one group a channel"
            yield Problem(text, f"group: {param.num_output}", layer.name)


def _fillers(layer: Any) -> Iterator[tuple[str, Any]]:
    """Every filler that is given in `layer`, whatever parameter it stands in."""
    for field, value in layer.ListFields():
        if field.message_type is None or field.is_repeated:
            continue
        for inner, filler in value.ListFields():
            if (
                inner.message_type is not None
                and inner.message_type.name == "FillerParameter"
                and not inner.is_repeated
            ):
                yield inner.name, filler


RULES = {
    "filler-bilinear": Rule(
        bilinear, "warning",
        "It is made for Deconvolution with one group a channel, square kernels.",
        "group equal to num_output, and lr_mult: 0 to keep it", f"{CAFFE} filler.hpp BilinearFiller"),
    "filler-scale": Rule(
        filler_scale, "warning",
        "Weights that are too large multiply the signal in each layer: the loss starts huge, or at 87.3365.",
        'type: "xavier" or "msra", which look at the number of inputs', HE),
    "filler-type": Rule(
        filler_type, "error",
        "The type is a free string in caffe.proto; Caffe stops when it fills the layer.",
        "correct the type", f"{CAFFE} filler.hpp GetFiller"),
    "zero-filler": Rule(
        zero_filler, "warning",
        "The default weight filler is constant 0: all outputs of the layer are equal and get equal"
        " gradients.",
        'weight_filler { type: "xavier" }', f"{CAFFE} caffe.proto FillerParameter"),
}  # fmt: skip
