"""Learning rate, decay and filler of single layers, in a template's net or one's own."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from caffekit.config.problems import near
from caffekit.errors import UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.formats.prototxt_patch import patched
from caffekit.netgen.structure import LEARNED, parameters


def adjusted(text: str, wishes: Mapping[str, Mapping[str, Any]]) -> str:
    """`text` with the lr_mult, decay_mult and filler that `wishes` has for each pattern of names.

    lr_mult and decay_mult multiply what the layer's parameters have. UsageError: no layer of such a name has
    weights.
    """
    net = parse(text, NetParameter(), "net")
    learned = [layer for layer in net.layer if layer.param or layer.type in LEARNED]
    for pattern, wish in wishes.items():
        found = [layer for layer in learned if fnmatchcase(layer.name, pattern)]
        if not found:
            names = [layer.name for layer in learned]
            raise UsageError(
                f"net.layers: no layer {pattern!r} with weights{near(pattern, names)}",
                f"the last ones: {', '.join(names[-6:])}",
            )
        for layer in found:
            _adjust(layer, wish)
    return patched(text, net)


def _adjust(layer: Any, wish: Mapping[str, Any]) -> None:
    while layer.type in LEARNED and len(layer.param) < 1 + _has_bias(layer):
        layer.param.add(lr_mult=1, decay_mult=1)  # Caffe's defaults, written out
    for param in layer.param:
        for key in ("lr_mult", "decay_mult"):
            if wish.get(key) is not None:
                setattr(param, key, getattr(param, key) * wish[key])
    if wish.get("filler") is not None and layer.type in LEARNED:
        filler = parameters(layer).weight_filler
        filler.Clear()
        filler.type = wish["filler"]


def _has_bias(layer: Any) -> bool:
    return bool(parameters(layer).bias_term)
