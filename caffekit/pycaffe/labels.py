"""Labels outside the classes: errors where BVLC Caffe reads past its arrays."""

from __future__ import annotations

from typing import Any

import torch


class LabelError(ValueError):
    """A label of the batch is none of the classes; `item` is its place in the batch."""

    def __init__(self, layer: str, label: int, item: int, classes: int, record: str = "") -> None:
        where = f"item {item} of the batch" + (f", {record}" if record else "")
        super().__init__(f"layer '{layer}': label {label} ({where}) is outside 0 … {classes - 1}")
        self.layer, self.label, self.item, self.classes = layer, label, item, classes

    def of(self, record: str) -> LabelError:
        """The same, naming the record that the label came with."""
        return LabelError(self.layer, self.label, self.item, self.classes, record)


def check_labels(labels: torch.Tensor, classes: int, ignore: int | None, layer: str) -> None:
    """LabelError for the first label of the batch (N, …) that is not one of 0 … classes−1."""
    bad = (labels < 0) | (labels >= classes)
    if ignore is not None:
        bad &= labels != ignore
    if bad.any():
        where = int(bad.flatten().nonzero()[0])
        label = int(labels.flatten()[where].item())
        raise LabelError(layer, label, where * len(labels) // labels.numel(), classes)


def record_of(net: Any, layer: int, item: int) -> str:
    """The record that label `item` of layer `layer` of `net` (its bottom 1) came with; "" if unknown."""
    name = net._wiring[layer][0][1]
    for i in reversed(range(layer)):
        below, tops, _ = net._wiring[i]
        if name in tops:
            if not below:
                record = getattr(net._layers[i], "record", None)
                return str(record(item)) if record else ""
            name = below[0]
    return ""
