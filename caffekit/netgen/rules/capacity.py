"""Lint rules about the size of a net against its data."""

from __future__ import annotations

import math
from collections.abc import Iterator

from caffekit.netgen.rules.rule import PATTERNS, Rule
from caffekit.netgen.structure import classifiers, parameters
from caffekit.netgen.subject import Problem, Subject
from caffekit.netgen.view import View

# AlexNet (61 M parameters, 58.6 M of them fully connected) learned from ILSVRC's 1.28 M images: 46 weights an
# image, with dropout and augmentation. Four times that is beyond what anybody has shown to work from nothing.
FC_PER_IMAGE = 200
PARAMETERS_PER_IMAGE = 250
LARGE = 1_000_000  # below, few images are more likely a trial than a mistake
SMALL = 1_000  # a net with fewer weights than this is no danger
DEPTH_OF_IMAGES = ((2_000, 8), (10_000, 16), (50_000, 32))  # fewer images than this: at most so many layers
ALEXNET = "Krizhevsky et al., 2012, section 4: 60 M parameters overfit 1.28 M images without dropout"


def fc_for_images(subject: Subject) -> Iterator[Problem]:
    """A fully connected layer with many more weights than there are images."""
    images, view = subject.training_images(), subject.main
    if not images or view is None:
        return
    for i, layer in view.of_type(("InnerProduct",)):
        weights = math.prod(view.params[i][0]) if view.params[i] else 0
        if weights > FC_PER_IMAGE * images and _learns(view, i):
            text = f"{weights:,} weights for {images:,} images ({weights // images:,} an image)"
            severity = "note" if weights < LARGE else ""
            yield Problem(text, _smaller(view, i, images), layer.name, severity=severity)


def _smaller(view: View, index: int, images: int) -> str:
    layer = view.layers[index]
    shape = view.bottoms[index][0] or ()
    if len(shape) == 4 and math.prod(shape[2:]) > 1:
        return "global average pooling before it, or weights to start from"
    if layer.name in {each.name for each in classifiers(view.net)}:
        return "fewer outputs in the layer before, dropout, or weights to start from"
    fitting = FC_PER_IMAGE * images // max(1, math.prod(shape[1:]))
    given = parameters(layer).num_output
    return f"num_output below {min(given, max(1, fitting))}, dropout, or weights to start from"


def parameters_for_images(subject: Subject) -> Iterator[Problem]:
    """All weights that learn, against the images."""
    images, view = subject.training_images(), subject.main
    if not images or view is None:
        return
    learned = sum(
        math.prod(shape) for i, params in enumerate(view.params) for shape in params
        if view.layers[i].type != "BatchNorm" and _learns(view, i)
    )  # fmt: skip
    if learned > max(SMALL, PARAMETERS_PER_IMAGE * images):
        text = f"{learned:,} parameters learn from {images:,} images ({learned // images:,} an image)"
        yield Problem(text, layer=_largest(view), severity="note" if learned < LARGE else "")


def _largest(view: View) -> str:
    sizes = [sum(math.prod(shape) for shape in params) for params in view.params]
    return str(view.layers[sizes.index(max(sizes))].name)


def depth_for_images(subject: Subject) -> Iterator[Problem]:
    """How many layers the number of images carries, where nothing is loaded."""
    images, view = subject.training_images(), subject.main
    if not images or view is None:
        return
    most = next((layers for few, layers in DEPTH_OF_IMAGES if images < few), None)
    depths = [d for i, d in enumerate(view.depth()) if _learns(view, i)]
    if most and depths and max(depths) > most:
        text = f"{max(depths)} learned layers deep, for {images:,} images"
        yield Problem(text, f"at most about {most} layers, or weights to start from", layer=_last(view))


def _last(view: View) -> str:
    depth = view.depth()
    return str(view.layers[depth.index(max(depth))].name)


def _learns(view: View, index: int) -> bool:
    """Whether any parameter of the layer may change."""
    layer = view.layers[index]
    given = [spec.lr_mult for spec in layer.param]
    return bool(view.params[index]) and (len(given) < len(view.params[index]) or any(given))


def wide_reduction(subject: Subject) -> Iterator[Problem]:
    """A bottleneck before the classifier that is narrower than the number of classes."""
    view = subject.main
    if view is None:
        return
    for i, layer in view.of_type(("InnerProduct",)):
        above = view.above(i)
        if above is None or view.layers[above].type != "InnerProduct":
            continue
        narrow, outputs = (parameters(each).num_output for each in (view.layers[above], layer))
        leads = any(view.layers[j].type == "SoftmaxWithLoss" for j in view.readers[i])
        if leads and outputs > 2 * narrow > 0 and outputs >= 20:
            text = f"{outputs} classes are told apart by {narrow} numbers of {view.layers[above].name}"
            yield Problem(text, f"num_output of at least {outputs // 2} there", view.layers[above].name)


RULES = {
    "depth-for-images": Rule(
        depth_for_images, "note",
        "Little data asks for a shallow, simple net: each layer adds what can be learned by heart.",
        "a shallower net, or weights to start from (--weights)", f"{PATTERNS}, patterns 1 and 3"),
    "fc-for-images": Rule(
        fc_for_images, "warning",
        "A fully connected layer with hundreds of weights an image learns the images by heart.",
        "global average pooling before it, fewer outputs, dropout, or weights to start from", ALEXNET),
    "narrow-before-classes": Rule(
        wide_reduction, "note",
        "Fewer numbers than half the classes must hold what tells all of them apart.",
        "a wider layer before the classifier", f"{PATTERNS}, pattern 11"),
    "parameters-for-images": Rule(
        parameters_for_images, "warning",
        "Far more parameters than the data can determine: the training loss falls, the test loss does not.",
        "a smaller net, augmentation, or weights to start from (--weights)", f"{ALEXNET}; {PATTERNS},"
        " pattern 11"),
}  # fmt: skip
