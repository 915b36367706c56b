"""One table of shape rules, used by net generation, lint and the embedded engine alike.

A rule gets a LayerParameter and the shapes of its bottoms; it gives the shapes of its tops and parameters.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from caffekit.errors import FormatError
from caffekit.graph import rules_forks, rules_loss, rules_neuron, rules_recurrent, rules_shape, rules_spatial
from caffekit.graph.axes import Shape, Shapes
from caffekit.graph.counts import check_counts
from caffekit.graph.geometry import Spatial, pooling_geometry, spatial
from caffekit.graph.rules_python import is_shipped_loss, shipped_loss

Rule = Callable[[Any, list[Shape]], Shapes]

SHAPE_RULES: dict[str, Rule] = {
    "AbsVal": rules_neuron.same,
    "Accuracy": rules_loss.accuracy,
    "ArgMax": rules_loss.argmax,
    "BNLL": rules_neuron.same,
    "BatchNorm": rules_neuron.batch_norm,
    "BatchReindex": rules_shape.batch_reindex,
    "Bias": rules_neuron.bias,
    "CenterLoss": rules_forks.center_loss,
    "Clip": rules_neuron.same,
    "Concat": rules_shape.concat,
    "ContrastiveLoss": rules_loss.contrastive_loss,
    "Convolution": rules_spatial.convolution,
    "ConvolutionDepthwise": rules_forks.convolution_depthwise,
    "Crop": rules_spatial.crop,
    "Deconvolution": rules_spatial.deconvolution,
    "DepthwiseConvolution": rules_forks.depthwise_convolution,
    "Dropout": rules_neuron.same,
    "DummyData": rules_shape.dummy_data,
    "ELU": rules_neuron.same,
    "Eltwise": rules_shape.eltwise,
    "Embed": rules_neuron.embed,
    "EuclideanLoss": rules_loss.elementwise_loss,
    "Exp": rules_neuron.same,
    "Filter": rules_shape.filter_,
    "Flatten": rules_shape.flatten,
    "Flip": rules_forks.flip,
    "HingeLoss": rules_loss.scalar_loss,
    "Im2col": rules_spatial.im2col,
    "InfogainLoss": rules_loss.infogain_loss,
    "InnerProduct": rules_neuron.inner_product,
    "Input": rules_shape.input_,
    "LRN": rules_neuron.lrn,
    "LSTM": rules_recurrent.lstm,
    "LSTMUnit": rules_recurrent.lstm_unit,
    "LabelSpecificAdd": rules_forks.label_specific_add,
    "Log": rules_neuron.same,
    "MVN": rules_neuron.mvn,
    "MarginInnerProduct": rules_forks.margin_inner_product,
    "MemoryData": rules_shape.memory_data,
    "MultinomialLogisticLoss": rules_loss.scalar_loss,
    "Normalize": rules_forks.normalize,
    "PReLU": rules_neuron.prelu,
    "Parameter": rules_shape.parameter,
    "Pooling": rules_spatial.pooling,
    "Power": rules_neuron.same,
    "RNN": rules_recurrent.rnn,
    "ReLU": rules_neuron.same,
    "ReLU6": rules_neuron.same,
    "Reduction": rules_shape.reduction,
    "Reshape": rules_shape.reshape,
    "SPP": rules_spatial.spp,
    "Scale": rules_neuron.scale,
    "Sigmoid": rules_neuron.same,
    "SigmoidCrossEntropyLoss": rules_loss.elementwise_loss,
    "Silence": rules_shape.silence,
    "Slice": rules_shape.slice_,
    "Softmax": rules_neuron.softmax,
    "SoftmaxWithLoss": rules_loss.softmax_loss,
    "Split": rules_neuron.every_top,
    "Swish": rules_neuron.same,
    "TanH": rules_neuron.same,
    "Threshold": rules_neuron.same,
    "Tile": rules_shape.tile,
    "TripletLoss": rules_forks.triplet_loss,
}

FROM_OUTSIDE = {"Data", "HDF5Data", "HDF5Output", "ImageData", "Python", "WindowData"}
"""Types whose shapes no prototxt tells."""


def layer_shapes(layer: Any, bottoms: list[Shape]) -> Shapes:
    """Shapes of the tops and of the parameters of `layer`.

    FormatError naming the layer: unknown type, wrong number of bottoms or tops, shapes that do not fit.
    """
    if is_shipped_loss(layer):
        return shipped_loss(layer, bottoms)
    if layer.type in FROM_OUTSIDE:
        raise FormatError(f"layer '{layer.name}': the shapes of its tops are not known ({layer.type})")
    if layer.type not in SHAPE_RULES:
        types = [*SHAPE_RULES, *FROM_OUTSIDE]
        nearest = difflib.get_close_matches(layer.type, types, n=1, cutoff=0.7)
        ending = f"; did you mean {nearest[0]}?" if nearest else ""
        raise FormatError(f"layer '{layer.name}': unknown layer type '{layer.type}'{ending}")
    check_counts(layer)
    return SHAPE_RULES[layer.type](layer, bottoms)


class Step(NamedTuple):
    """A layer and the shapes around it."""

    layer: Any
    bottoms: list[Shape]
    tops: list[Shape]
    params: list[Shape]


def walk_shapes(net: Any, inputs: Mapping[str, Shape] | None = None) -> Iterator[Step]:
    """Each layer of `net` with the shapes of its bottoms, tops and parameters, in order.

    `net` is of one phase (see filter_net). `inputs` gives the shapes of tops that come from outside: a layer
    without bottoms all of whose tops are in it is not asked.
    FormatError as layer_shapes, and for a bottom that no layer before makes.
    """
    given = dict(inputs or {})
    blobs: dict[str, Shape] = {}
    for layer in net.layer:
        bottoms = [_bottom(layer, i, blobs) for i in range(len(layer.bottom))]
        if layer.top and not layer.bottom and all(top in given for top in layer.top):
            shapes: Shapes = ([given[top] for top in layer.top], [])
        else:
            shapes = layer_shapes(layer, bottoms)
        for i, (top, shape) in enumerate(zip(layer.top, shapes[0], strict=False)):
            if top in blobs and list(layer.bottom[i : i + 1]) != [top]:
                raise FormatError(f"layer '{layer.name}': its top '{top}' is the top of another layer, too")
            blobs[top] = shape
        yield Step(layer, bottoms, *shapes)


def infer_shapes(net: Any, inputs: Mapping[str, Shape] | None = None) -> dict[str, Shape]:
    """The shape of every blob of `net`, by name; arguments and errors as walk_shapes."""
    blobs: dict[str, Shape] = {}
    for step in walk_shapes(net, inputs):
        blobs.update(zip(step.layer.top, step.tops, strict=False))
    return blobs


def _bottom(layer: Any, index: int, blobs: dict[str, Shape]) -> Shape:
    name = layer.bottom[index]
    if name not in blobs:
        nearest = difflib.get_close_matches(name, blobs, n=1)
        ending = f"; did you mean '{nearest[0]}'?" if nearest else ""
        raise FormatError(f"layer '{layer.name}': unknown bottom blob '{name}' (index {index}){ending}")
    return blobs[name]


__all__ = [
    "FROM_OUTSIDE",
    "SHAPE_RULES",
    "Rule",
    "Shape",
    "Shapes",
    "Spatial",
    "infer_shapes",
    "layer_shapes",
    "pooling_geometry",
    "spatial",
    "walk_shapes",
]
