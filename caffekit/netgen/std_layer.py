"""Division by the standard deviation per channel: a Scale layer behind the data layers that never learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from caffekit.formats.blobs import to_blob
from caffekit.netgen.structure import data_layers, phases


def insert(net: Any, factors: Sequence[float]) -> list[str]:
    """Put the layer behind each Data layer of `net`; what took its images takes the layer's. A line for each.

    Its values stand in the net: Caffe takes a layer's blobs from there and fills nothing.
    """
    notes = []
    entries = [(layer, layer.top[0], f"{layer.name}_std") for layer in data_layers(net)]
    renamed = {top: name for _, top, name in entries}
    layers = []
    for layer in net.layer:
        copy = type(layer)()
        copy.CopyFrom(layer)
        layers.append(copy)
        if layer.type != "Data":
            copy.bottom[:] = [renamed.get(blob, blob) for blob in layer.bottom]
            copy.top[:] = [renamed.get(blob, blob) for blob in layer.top]
            continue
        scale = type(layer)(name=renamed[layer.top[0]], type="Scale", bottom=layer.top[:1])
        scale.top.append(scale.name)
        scale.include.extend(layer.include)
        scale.param.add(lr_mult=0, decay_mult=0)
        to_blob(np.array(factors), blob=scale.blobs.add())
        layers.append(scale)
        notes.append(f"{scale.name} ({', '.join(phases(layer))}): divides by std per channel")
    del net.layer[:]
    net.layer.extend(layers)
    return notes


def find(net: Any) -> Any:
    """The layer in `net` that does it: a Scale that never learns, behind an Input or Data layer; or None."""
    entries = {layer.top[0] for layer in net.layer if layer.type in ("Data", "Input") and layer.top}
    for layer in net.layer:
        fixed = layer.type == "Scale" and layer.param and layer.param[0].lr_mult == 0
        if fixed and len(layer.bottom) == 1 and layer.bottom[0] in entries:
            return layer
    return None
