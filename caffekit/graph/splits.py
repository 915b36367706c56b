"""Split layers where a blob has several consumers (src/caffe/util/insert_splits.cpp)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from caffekit.errors import FormatError

Top = tuple[int, int]  # (layer, top) indices of the layer that writes a blob last


def insert_splits(net: Any) -> Any:
    """A copy of `net` in which every top has one consumer: a Split layer named after it stands between.

    An explicit non-zero loss_weight counts as a consumer; the weight then moves to the split's first top.
    FormatError for a bottom that no layer before makes.
    """
    consumers, sources = _consumers(net)
    out = type(net)()  # a fork's message stays one
    out.CopyFrom(net)
    del out.layer[:]
    used: Counter[Top] = Counter()
    for i, layer in enumerate(net.layer):
        copy = out.layer.add()
        copy.CopyFrom(layer)
        for j, bottom in enumerate(layer.bottom):
            source = sources[i, j]
            if consumers[source] > 1:
                copy.bottom[j] = split_blob_name(_owner(net, source), bottom, source[1], used[source])
                used[source] += 1
        for j in range(len(layer.top)):
            if consumers[i, j] > 1:
                _add_split(out, copy, j, consumers[i, j])
                used[i, j] += _weight(layer, j) != 0
    return out


def _consumers(net: Any) -> tuple[Counter[Top], dict[tuple[int, int], Top]]:
    """How often each top is consumed, and which top each (layer, bottom) reads."""
    writer: dict[str, Top] = {}
    consumers: Counter[Top] = Counter()
    sources: dict[tuple[int, int], Top] = {}
    for i, layer in enumerate(net.layer):
        for j, bottom in enumerate(layer.bottom):
            if bottom not in writer:
                raise FormatError(f"Unknown bottom blob '{bottom}' (layer '{layer.name}', bottom index {j})")
            sources[i, j] = writer[bottom]
            consumers[writer[bottom]] += 1
        for j, top in enumerate(layer.top):
            writer[top] = (i, j)
            consumers[i, j] += _weight(layer, j) != 0
    return consumers, sources


def _weight(layer: Any, top: int) -> float:
    return float(layer.loss_weight[top]) if top < len(layer.loss_weight) else 0.0


def _owner(net: Any, source: Top) -> str:
    return str(net.layer[source[0]].name)


def split_blob_name(layer: str, blob: str, top: int, index: int) -> str:
    """The name of a split's top, as Caffe writes it into logs and models."""
    return f"{blob}_{layer}_{top}_split_{index}"


def _add_split(out: Any, producer: Any, top: int, count: int) -> None:
    blob = producer.top[top]
    split = out.layer.add(name=f"{blob}_{producer.name}_{top}_split", type="Split", bottom=[blob])
    split.top.extend(split_blob_name(producer.name, blob, top, k) for k in range(count))
    if _weight(producer, top):
        split.loss_weight.append(producer.loss_weight[top])
        split.loss_weight.extend([0.0] * (count - 1))
        del producer.loss_weight[:]
