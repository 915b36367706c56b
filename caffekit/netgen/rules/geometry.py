"""Lint rules about kernels, padding, input sizes and widths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from caffekit.errors import CaffekitError
from caffekit.graph.geometry import Spatial, spatial
from caffekit.netgen.rules.rule import CAFFE, PATTERNS, Rule, names
from caffekit.netgen.subject import Problem, Shape, Subject
from caffekit.netgen.view import View

CONVOLUTIONS = ("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
VGG = "Simonyan & Zisserman, Very Deep Convolutional Networks, 2014, section 2.3"


def kernel_larger_than_input(subject: Subject) -> Iterator[Problem]:
    """A convolution's kernel must fit into its padded input."""
    said = set()
    for view in subject.views:
        for index, text in view.problems:
            layer = view.layers[index]
            if "kernel covers" in text and layer.name not in said:
                said.add(layer.name)
                yield Problem(text, layer=layer.name)


def padding(subject: Subject) -> Iterator[Problem]:
    """With stride 1 and an odd kernel, padding (k - 1) / 2 keeps the size; others shrink or grow it."""
    found = []
    for layer, g in _convolutions(subject):
        wanted = [d * (k - 1) // 2 for k, d in zip(g.kernel, g.dilation, strict=True)]
        odd = all(k % 2 for k in g.kernel)
        if odd and max(g.kernel) > 1 and set(g.stride) == {1} and list(g.pad) != wanted:
            found.append((layer.name, g.kernel[0], g.pad[0], wanted[0]))
    if found:
        name, kernel, pad, wanted_pad = found[0]
        text = f"kernel {kernel} with pad {pad} changes the size: {names([each[0] for each in found])}"
        yield Problem(text, f"pad: {wanted_pad}", name)


def even_kernel(subject: Subject) -> Iterator[Problem]:
    """An even kernel has no middle; one as large as its stride tiles the image instead."""
    found = [
        (layer.name, g.kernel) for layer, g in _convolutions(subject)
        if any(k % 2 == 0 and k != s for k, s in zip(g.kernel, g.stride, strict=True))
    ]  # fmt: skip
    if found:
        text = f"an even kernel ({found[0][1][0]}) has no middle: {names([name for name, _ in found])}"
        yield Problem(text, f"kernel_size: {found[0][1][0] + 1}", found[0][0])


def large_kernel(subject: Subject) -> Iterator[Problem]:
    """Beyond the first layers, two or three 3x3 see as far as one large kernel, with fewer weights."""
    view = subject.main
    depth = view.depth() if view else []
    found = [
        layer.name for i, layer in (view.of_type(("Convolution",)) if view else ())
        if depth[i] > 2 and (g := _spatial(layer)) and min(g.kernel) > 5 and not _covers(view, i, g)
    ]  # fmt: skip
    if found:
        yield Problem(f"a kernel above 5x5 deep in the net: {names(found)}", layer=found[0])


def _covers(view: View | None, index: int, g: Spatial) -> bool:
    """Whether the kernel sees its whole input: a fully connected layer written as a convolution."""
    shape = view.bottoms[index][0] if view else None
    return shape is None or tuple(shape[2:]) == g.kernel


def stride_skips(subject: Subject) -> Iterator[Problem]:
    """Pixels between the windows that no filter looks at (1x1 shortcuts do it on purpose)."""
    for layer, g in _convolutions(subject):
        if any(s > k > 1 for k, s in zip(g.kernel, g.stride, strict=True)):
            text = f"stride {max(g.stride)} steps over pixels that kernel {max(g.kernel)} never sees"
            yield Problem(text, layer=layer.name)


def input_halves(subject: Subject) -> Iterator[Problem]:
    """The size should be a multiple of all strides together."""
    view = subject.main
    if view is None:
        return
    for i, layer in enumerate(view.layers):
        shape = view.tops[i][0] if not layer.bottom and view.tops[i] else None
        if shape is None or len(shape) != 4:
            continue
        total = _stride_below(view, i)
        odd = [size for size in shape[2:] if size % total]
        if total >= 4 and odd and min(shape[2:]) > total:
            low = odd[0] // total * total
            text = f"an input side of {odd[0]} is no multiple of {total}, by which the net divides it"
            yield Problem(text, f"a side of {low} or {low + total}", layer.name)


def _stride_below(view: View, start: int) -> int:
    """The largest product of strides on a path from layer `start` (global windows left out)."""
    product = {start: 1}
    for i, layer in enumerate(view.layers):
        above = [product[each] for each in view.feeds[i] if each is not None and each in product]
        if not above:
            continue
        step = 1
        top, bottom = (view.tops[i] or [None])[0], (view.bottoms[i] or [None])[0]
        if layer.type in (*CONVOLUTIONS, "Pooling") and top and bottom and len(top) == 4 and top[2] > 1:
            g = _spatial(layer) if layer.type in CONVOLUTIONS else None
            step = g.stride[0] if g else layer.pooling_param.stride_h or layer.pooling_param.stride or 1
        if layer.type == "Deconvolution":
            return 1  # it grows again: what counts is no longer this product
        product[i] = max(above) * max(1, step)
    return max(product.values())


def pyramid(subject: Subject) -> Iterator[Problem]:
    """Where the resolution falls, the number of channels should rise."""
    view = subject.main
    if view is None or any(True for _ in view.of_type(("Deconvolution",))):
        return
    widest: dict[int, tuple[int, str]] = {}
    last = _last_learned(view)
    for i, layer in view.of_type(CONVOLUTIONS):
        shape = view.tops[i][0] if view.tops[i] else None
        if shape is None or len(shape) != 4 or i in last:
            continue
        side = min(shape[2:])
        if side > 1 and shape[1] > widest.get(side, (0, ""))[0]:
            widest[side] = (shape[1], layer.name)
    sides = sorted(widest, reverse=True)
    for high, low in zip(sides, sides[1:], strict=False):
        if low * 2 <= high + 1 and widest[low][0] < widest[high][0]:
            (many, _), (few, name) = widest[high], widest[low]
            text = f"{few} channels at {low} pixels a side, after {many} at {high}"
            yield Problem(text, f"at least {many} channels there; twice as many is usual", name)
            return


def _last_learned(view: View) -> set[int]:
    """Learned layers that no other learned layer follows: their width is the task's."""
    learned = [i for i, layer in view.of_type((*CONVOLUTIONS, "InnerProduct"))]
    above: set[int] = set()
    for i in learned:
        above |= view.ancestors([each for each in view.feeds[i] if each is not None])
    return {i for i in learned if i not in above}


def _convolutions(subject: Subject) -> Iterator[tuple[Any, Spatial]]:
    for layer in subject.net.layer:
        if layer.type in CONVOLUTIONS and (g := _spatial(layer)):
            yield layer, g


def _spatial(layer: Any) -> Spatial | None:
    """The 2-D geometry of a convolution; None where it has none."""
    try:
        return spatial(layer, 2)
    except CaffekitError:
        return None


def output_gone(subject: Subject) -> Iterator[Problem]:
    """An image that is down to a point long before the net ends cannot be looked at any more."""
    view = subject.main
    if view is None:
        return
    for i, layer in view.of_type(("Convolution",)):
        shape: Shape | None = view.bottoms[i][0] if view.bottoms[i] else None
        g = _spatial(layer)
        if shape and len(shape) == 4 and g and math.prod(shape[2:]) == 1 and min(g.kernel) > 1:
            text = (
                f"a kernel of {g.kernel[1]}x{g.kernel[0]} on a single pixel: all but its middle sees padding"
            )
            yield Problem(text, layer=layer.name)


RULES = {
    "even-kernel": Rule(
        even_kernel, "note",
        "An even kernel moves the image by half a pixel, and no padding keeps its size.",
        "an odd kernel", VGG),
    "input-halves": Rule(
        input_halves, "note",
        "Sizes that halve cleanly (32, 64, 96, 224) lose no edge and hold no half-empty window.",
        "an input side of 32, 64, 96, 224 …", f"{PATTERNS}, pattern 13; Stanford CS231n, layer sizing"),
    "kernel-larger-than-input": Rule(
        kernel_larger_than_input, "error",
        "Caffe stops: the output would have no size.",
        "a smaller kernel, more pad, larger images, or fewer strides before", f"{CAFFE} conv_layer.cpp"),
    "kernel-on-point": Rule(
        output_gone, "note",
        "The image has shrunk to one pixel: the kernel multiplies zeros.",
        "kernel_size: 1, or fewer strides before", f"{CAFFE} base_conv_layer.cpp"),
    "large-kernel": Rule(
        large_kernel, "note",
        "Three 3x3 see as far as one 7x7, with about half the weights and two more activations.",
        "two or three layers with kernel_size: 3 pad: 1", VGG),
    "padding": Rule(
        padding, "note",
        "pad = (kernel - 1) / 2 keeps the size, so that depth and size can be chosen apart and edges are"
        " seen as often as the middle.",
        "pad: (kernel_size - 1) / 2", "Stanford CS231n, layer sizing"),
    "pyramid": Rule(
        pyramid, "note",
        "Halving the resolution drops information; more channels at that place make up for it.",
        "more channels where the resolution is lower", f"{PATTERNS}, pattern 5"),
    "stride-skips": Rule(
        stride_skips, "warning",
        "With stride > kernel there are pixels that no filter ever sees.",
        "stride no larger than the kernel", f"{CAFFE} im2col.cpp"),
}  # fmt: skip
