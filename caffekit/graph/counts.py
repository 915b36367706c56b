"""How many bottoms and tops each layer type takes."""

from __future__ import annotations

from typing import Any

from caffekit.graph.axes import need

Range = tuple[int, int]
MANY = 10**6

ONE: Range = (1, 1)
SOME: Range = (1, MANY)
COUNTS: dict[str, tuple[Range, Range]] = {
    "Accuracy": ((2, 2), (1, 2)),
    "BatchReindex": ((2, 2), ONE),
    "Bias": ((1, 2), ONE),
    "CenterLoss": ((2, 2), ONE),
    "Concat": (SOME, ONE),
    "ContrastiveLoss": ((3, 3), ONE),
    "Convolution": (SOME, SOME),
    "Crop": ((2, 2), ONE),
    "Deconvolution": (SOME, SOME),
    "DepthwiseConvolution": (SOME, SOME),
    "Data": ((0, 0), (1, 2)),
    "DummyData": ((0, 0), SOME),
    "Eltwise": ((2, MANY), ONE),
    "EuclideanLoss": ((2, 2), ONE),
    "Filter": ((2, MANY), SOME),
    "HDF5Data": ((0, 0), SOME),
    "HDF5Output": ((2, 2), (0, 0)),
    "HingeLoss": ((2, 2), ONE),
    "ImageData": ((0, 0), (2, 2)),
    "Im2col": (SOME, SOME),
    "InfogainLoss": ((2, 3), (1, 2)),
    "Input": ((0, 0), SOME),
    "LSTM": ((2, 5), (1, 3)),
    "LSTMUnit": ((3, 3), (2, 2)),
    "LabelSpecificAdd": ((2, 2), (1, 2)),
    "MarginInnerProduct": ((2, 2), (1, 2)),
    "MemoryData": ((0, 0), (2, 2)),
    "MultinomialLogisticLoss": ((2, 2), ONE),
    "Normalize": (ONE, (1, 2)),
    "Parameter": ((0, 0), ONE),
    "Pooling": (ONE, (1, 2)),
    "RNN": ((2, 4), (1, 2)),
    "Scale": ((1, 2), ONE),
    "SigmoidCrossEntropyLoss": ((2, 2), ONE),
    "Silence": (SOME, (0, 0)),
    "Slice": (ONE, SOME),
    "SoftmaxWithLoss": ((2, 2), (1, 2)),
    "Split": (ONE, SOME),
    "WindowData": ((0, 0), (2, 2)),
    "TripletLoss": ((3, 3), ONE),
}
"""(fewest, most) bottoms and tops; every type that is not here takes one and gives one."""


def check_counts(layer: Any) -> None:
    """FormatError unless `layer` has as many bottoms and tops as its type takes."""
    bottoms, tops = COUNTS.get(layer.type, (ONE, ONE))
    _check(layer, "bottom", len(layer.bottom), bottoms)
    # A loss without a top is given one, as Caffe does.
    _check(layer, "top", max(len(layer.top), int(layer.type.endswith("Loss"))), tops)
    if (bottoms, tops) == (SOME, SOME):
        need(layer, len(layer.bottom) == len(layer.top), f"{layer.type} takes as many tops as bottoms")


def _check(layer: Any, what: str, count: int, allowed: Range) -> None:
    low, high = allowed
    wanted = str(low) if low == high else f"at least {low}" if high == MANY else f"{low} to {high}"
    plural = "" if wanted == "1" else "s"
    need(layer, low <= count <= high, f"{layer.type} takes {wanted} {what}{plural}, got {count}")
