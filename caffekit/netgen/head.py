"""The head of a net: where images come in, and the fixed layers that they pass before anything is learned."""

from __future__ import annotations

from typing import Any

from caffekit.formats.caffe_pb2 import TEST, NetParameter
from caffekit.graph import filter_net

FIXED = ("Scale", "Bias", "Power")  # the first two where their lr_mult is 0


def head(net: Any, phase: int = TEST) -> tuple[Any, str] | None:
    """(the head of `net` in `phase`, the blob it ends with); None where no Data or Input layer begins it."""
    layers = filter_net(net, phase).layer
    start = next((i for i, layer in enumerate(layers) if layer.type in ("Data", "Input")), None)
    if start is None:
        return None
    out = NetParameter(name=f"head of {net.name}")
    out.layer.add().CopyFrom(layers[start])
    blob = layers[start].top[0]
    for layer in layers[start + 1 :]:
        if blob not in layer.bottom:
            continue
        if not _is_fixed(layer):
            break
        out.layer.add().CopyFrom(layer)
        blob = layer.top[0]
    for layer in out.layer:
        del layer.include[:], layer.exclude[:]
    return out, blob


def _is_fixed(layer: Any) -> bool:
    if layer.type not in FIXED or len(layer.bottom) != 1:
        return False
    if layer.type == "Power":
        return True
    wanted = 1 + (layer.type == "Scale" and layer.scale_param.bias_term)
    return len(layer.param) >= wanted and all(param.lr_mult == 0 for param in layer.param)


def without_chance(net: Any, source: str, records: int) -> None:
    """Let the Data layer of a head read all `records` of the LMDB `source` once, unmirrored: in a TEST net it
    takes the middle of an image where training takes a random crop."""
    layer = net.layer[0]
    layer.transform_param.ClearField("mirror")
    layer.data_param.source = source
    layer.data_param.batch_size = records
    layer.data_param.backend = layer.data_param.LMDB
    layer.data_param.ClearField("rand_skip")
