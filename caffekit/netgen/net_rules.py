"""Lint rules about the net."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from caffekit.formats.caffe_pb2 import ParamSpec
from caffekit.graph import empty_window
from caffekit.graph.geometry import Shape
from caffekit.netgen.structure import LEARNED, classifiers, parameters
from caffekit.netgen.subject import Problem, Subject

FIX = "make stride no larger than the kernel"


def shapes(subject: Subject) -> Iterator[Problem]:
    """Every layer's input must fit it: blobs that exist, kernels not larger than what they look at."""
    said = set()
    for phase, net in subject.phase_nets():
        for problem in subject.blob_shapes(phase, net)[1]:
            if problem.layer not in said:
                said.add(problem.layer)
                yield problem


def pooling_window(subject: Subject) -> Iterator[Problem]:
    """Without padding and with stride > kernel, the last window can lie outside the image.

    Caffe rounds the number of windows up. A window that starts exactly at the edge is 0/0 = nan in AVE,
    one beyond it is 0; MAX gives -FLT_MAX, and its gradient is written outside the blob.
    """
    unknown: dict[str, Any] = {}
    known = set()
    for phase, net in subject.phase_nets():
        blobs, _ = subject.blob_shapes(phase, net)
        for layer in net.layer:
            if layer.type != "Pooling" or layer.name in known:
                continue
            if layer.bottom[0] not in blobs:
                unknown[layer.name] = layer
                continue
            known.add(layer.name)
            message = _window(layer, blobs[layer.bottom[0]])
            if message:
                yield Problem(message, FIX, layer.name)
    for name, layer in unknown.items():
        if name not in known and _perhaps(layer):
            yield Problem(_perhaps(layer), FIX, name, severity="warning")


def _window(layer: Any, bottom: Shape) -> str:
    """What comes out of the empty windows of `layer`; "" if it has none."""
    window = empty_window(layer, bottom)
    if window is None:
        return ""
    value = "nan (0/0)" if math.isnan(window.value) else "-FLT_MAX" if window.value else "0"
    return f"its last window on a {bottom[3]}x{bottom[2]} input is empty: {value}"


def _perhaps(layer: Any) -> str:
    """The same without knowing the input's size."""
    param = layer.pooling_param
    if param.global_pooling:
        return ""
    kernel = (param.kernel_h or param.kernel_size, param.kernel_w or param.kernel_size)
    stride = (param.stride_h or param.stride, param.stride_w or param.stride)
    padded = param.pad or param.pad_h or param.pad_w
    if padded or all(s <= k for s, k in zip(stride, kernel, strict=True)):
        return ""
    return "stride is larger than kernel: with some input sizes the last window is empty"


def zero_filler(subject: Subject) -> Iterator[Problem]:
    """Caffe's default weight filler is constant 0: such a layer learns only from weights that are loaded."""
    if not subject.is_trained():
        return
    for layer in subject.net.layer:
        first = layer.param[0] if layer.param else ParamSpec()
        if layer.type not in LEARNED or first.name or first.lr_mult == 0:
            continue  # shared with another layer, or frozen: filled elsewhere
        filler = parameters(layer).weight_filler
        if filler.type == "constant" and filler.value == 0:
            message = "its weights start at constant 0: unless weights are loaded, its outputs stay equal"
            yield Problem(message, 'weight_filler { type: "xavier" }', layer.name)


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
