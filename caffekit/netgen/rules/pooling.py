"""Lint rules about pooling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from caffekit.errors import CaffekitError
from caffekit.formats.caffe_pb2 import PoolingParameter
from caffekit.graph import empty_window
from caffekit.graph.geometry import Spatial, pooling_geometry
from caffekit.netgen.rules.rule import CAFFE, Rule, names
from caffekit.netgen.subject import Problem, Shape, Subject
from caffekit.netgen.view import View

FIX = "make stride no larger than the kernel"
OVERLAP = "Krizhevsky et al., ImageNet Classification with Deep CNNs, 2012, section 3.4"
GLOBAL = "Lin et al., Network In Network, 2013, section 3.2"
CONVOLUTIONS = ("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
BIG_FC = 1_000_000
LARGEST = 3  # pixels a side of a kernel inside the net


def pooling_window(subject: Subject) -> Iterator[Problem]:
    """Without padding and with stride > kernel, the last window can lie outside the image.

    Caffe rounds the number of windows up. A window that starts exactly at the edge is 0/0 = nan in AVE,
    one beyond it is 0; MAX gives -FLT_MAX, and its gradient is written outside the blob.
    """
    unknown: dict[str, Any] = {}
    known = set()
    for view in subject.views:
        for i, layer in view.of_type(("Pooling",)):
            if layer.name in known or not layer.bottom:
                continue
            shape = view.bottoms[i][0]
            if shape is None:
                unknown[layer.name] = layer
                continue
            known.add(layer.name)
            message = _window(layer, shape)
            if message:
                yield Problem(message, FIX, layer.name)
    for name, layer in unknown.items():
        if name not in known and _perhaps(layer):
            yield Problem(_perhaps(layer), FIX, name, severity="warning")


def _window(layer: Any, bottom: Shape) -> str:
    """What comes out of the empty windows of `layer`; "" if it has none."""
    try:
        window = empty_window(layer, bottom)
    except CaffekitError:
        return ""  # fields that contradict each other: the rule shapes says so
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


def pooling_kernel(subject: Subject) -> Iterator[Problem]:
    """A window that is larger than the padded image: Caffe clips it without a word."""
    for view, i, layer, geometry in _pools(subject):
        shape = view.bottoms[i][0]
        if shape is None or layer.pooling_param.global_pooling:
            continue
        sides = zip(geometry.kernel, geometry.pad, shape[2:], strict=True)
        if any(k > size + 2 * p for k, p, size in sides) and view.tops[i][0] is not None:
            severity = "warning" if min(geometry.kernel) >= 2 * max(shape[2:]) else "note"
            text = f"its window is {_sides(geometry.kernel)}, but its input is only {_sides(shape[2:])}"
            yield Problem(text, layer=layer.name, severity=severity)


def pooling_overlap(subject: Subject) -> Iterator[Problem]:
    """Windows side by side."""
    found = [
        layer.name for _, _, layer, g in _inside(subject)
        if layer.pooling_param.pool == PoolingParameter.MAX and g.kernel == g.stride and max(g.kernel) > 1
    ]  # fmt: skip
    if found:
        yield Problem(f"windows that do not overlap (kernel = stride): {names(found)}", layer=found[0])


def pooling_large(subject: Subject) -> Iterator[Problem]:
    """Windows that throw much away at once."""
    found = [(layer, g) for _, _, layer, g in _inside(subject) if max(g.kernel) > LARGEST]
    if found:
        layer, g = found[0]
        listed = names([each.name for each, _ in found])
        yield Problem(f"a window of {_sides(g.kernel)} inside the net: {listed}", layer=layer.name)


def average_inside(subject: Subject) -> Iterator[Problem]:
    """Average pooling that later convolutions read; beside other branches it is one path of several."""
    found = [
        layer.name for _, _, layer, g in _inside(subject, CONVOLUTIONS)
        if layer.pooling_param.pool == PoolingParameter.AVE and max(g.stride) > 1
    ]  # fmt: skip
    if found:
        yield Problem(f"average pooling inside the net: {names(found)}", layer=found[0])


def global_pooling(subject: Subject) -> Iterator[Problem]:
    """A large fully connected layer straight on an image-shaped blob."""
    view = subject.main
    if view is None:
        return
    total = sum(math.prod(shape) for params in view.params for shape in params)
    for i, layer in view.of_type(("InnerProduct",)):
        shape = view.bottoms[i][0] if view.bottoms[i] else None
        if not view.params[i] or shape is None or len(shape) != 4:
            continue
        weights, area = math.prod(view.params[i][0]), math.prod(shape[2:])
        if area > 1 and weights > BIG_FC and weights > total / 2:
            text = f"{weights:,} of {total:,} parameters look at {_sides(shape[2:])} places one by one"
            yield Problem(text, layer=layer.name)


def _pools(subject: Subject) -> Iterator[tuple[View, int, Any, Spatial]]:
    """Every pooling layer of the main view whose fields make sense."""
    view = subject.main
    if view is None:
        return
    for i, layer in view.of_type(("Pooling",)):
        if layer.bottom:
            try:
                yield view, i, layer, pooling_geometry(layer, view.bottoms[i][0] or (1, 1, 1, 1))
            except CaffekitError:
                continue


def _inside(subject: Subject, before: tuple[str, ...] = ()) -> Iterator[tuple[View, int, Any, Spatial]]:
    """Pooling layers that leave more than a point; only those that a layer of the types `before` reads."""
    view = subject.main
    if view is None:
        return
    read = view.ancestors([i for i, _ in view.of_type(before)]) if before else set(range(len(view.layers)))
    for _, i, layer, geometry in _pools(subject):
        top = view.tops[i][0] if view.tops[i] else None
        point = top is not None and math.prod(top[2:]) == 1
        if i in read and not point and not layer.pooling_param.global_pooling:
            yield view, i, layer, geometry


def _sides(sizes: tuple[int, ...]) -> str:
    """Width x height of a pair that Caffe holds as height, width."""
    return "x".join(str(size) for size in reversed(sizes))


RULES = {
    "average-inside": Rule(
        average_inside, "note",
        "An average blurs what a filter found; the maximum keeps it and its sharpness.",
        "pool: MAX, and average only at the end", "Scherer et al., Evaluation of Pooling Operations, 2010"),
    "global-pooling": Rule(
        global_pooling, "note",
        "Most of the net's weights sit in one layer that knows each place by heart: it overfits, and it"
        " fixes the input's size. The mean over all places needs no weights.",
        "average over all places first: pooling_param { pool: AVE global_pooling: true }", GLOBAL),
    "pooling-kernel": Rule(
        pooling_kernel, "warning",
        "Caffe clips the window to the image without a word.",
        "a smaller kernel, or global_pooling: true", f"{CAFFE} pooling_layer.cpp"),
    "pooling-large": Rule(
        pooling_large, "note",
        "A large window forgets where things are, at once; two small ones forget less.",
        "kernel_size: 3 stride: 2", OVERLAP),
    "pooling-overlap": Rule(
        pooling_overlap, "note",
        "Windows that overlap lose less of what lies between them, and overfit a little less.",
        "kernel_size: 3 stride: 2", OVERLAP),
    "pooling-window": Rule(
        pooling_window, "error",
        "Caffe rounds the number of windows up; with stride > kernel and no padding the last one can hold no"
        " pixel: AVE gives 0/0 = nan or 0, MAX gives -FLT_MAX.", FIX, f"{CAFFE} pooling_layer.cpp"),
}  # fmt: skip
