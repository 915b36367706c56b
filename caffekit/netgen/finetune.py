"""Begin with the weights of another net: which layers load, which start afresh, which stand still."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from caffekit.config.problems import near
from caffekit.errors import UsageError
from caffekit.formats.caffe_pb2 import TRAIN, NetParameter
from caffekit.formats.prototxt import parse
from caffekit.formats.prototxt_patch import patched
from caffekit.graph import filter_net, known_costs
from caffekit.graph.axes import Shape
from caffekit.netgen.numbers import plain
from caffekit.netgen.structure import classifiers, data_layers

LOADS, AFRESH, FROZEN = "loads", "starts afresh", "loads and stands still"


@dataclass(frozen=True)
class Finetune:
    """What the section finetune asks for; `model`: the shapes of each layer's blobs in the weights.

    `replace`: layers that start afresh, under the name LAYER_SUFFIX, so that Caffe does not look for them in
    the weights; classifiers of another shape do so unasked. `freeze`: patterns of layers that stand still.
    """

    model: Mapping[str, list[Shape]]
    replace: tuple[str, ...] = ()
    lr_mult: float = 10.0
    freeze: tuple[str, ...] = ()
    suffix: str = "new"


class Row(NamedTuple):
    """What happens to one layer that has parameters; `lr_mult` of its first one."""

    layer: str
    action: str
    parameters: int
    shapes: list[Shape]
    lr_mult: float
    why: str


def fits(source: Shape, target: Shape) -> bool:
    """Whether Caffe loads a blob of one shape into the other: old files have four axes, leading ones."""
    lead = len(source) - len(target)
    return source == target or (len(source) == 4 and lead > 0 and source == (1,) * lead + target)


def finetuned(train_val: str, deploy: str, wishes: Finetune, image: Shape) -> tuple[str, str, list[Row]]:
    """Both texts with layers renamed and learning rates set, and the plan; `image`: C, H, W of a record.

    UsageError: a layer that is not there, or whose shape would make Caffe refuse the weights.
    """
    net = parse(train_val, NetParameter(), "train_val.prototxt")
    shapes = _shapes(filter_net(net, TRAIN), image)
    model = wishes.model
    biased = {name: own[0][:1] for name, own in shapes.items() if _lacks_bias(own, model.get(name, []))}
    shapes |= {name: [*shapes[name], bias] for name, bias in biased.items()}
    _check_names(wishes, shapes)
    fresh = {name: "not in the weights" for name in shapes if name not in wishes.model}
    fresh |= {name: "asked for" for name in wishes.replace}
    for layer in classifiers(net):
        if layer.name in wishes.model and not _same(wishes.model[layer.name], shapes[layer.name]):
            fresh.setdefault(layer.name, f"{_text(wishes.model[layer.name])} in the weights")
    rows = [_row(name, own, wishes, fresh) for name, own in shapes.items()]
    renamed = {name: f"{name}_{wishes.suffix}" for name in fresh if name in wishes.model}
    texts = []
    for text in (train_val, deploy):
        changed = parse(text, NetParameter(), "net")
        for layer in changed.layer:
            if layer.name in biased and layer.type == "Convolution":
                layer.convolution_param.bias_term = True  # Caffe wants as many blobs as the weights have
            _apply(layer, wishes, fresh, renamed)
        texts.append(patched(text, changed))
    rows = [row._replace(layer=renamed.get(row.layer, row.layer)) for row in rows]
    learned = [layer for layer in parse(texts[0], NetParameter(), "net").layer if layer.param]
    rates = {layer.name: layer.param[0].lr_mult for layer in learned}
    return texts[0], texts[1], [row._replace(lr_mult=rates.get(row.layer, 1.0)) for row in rows]


def _shapes(net: Any, image: Shape) -> dict[str, list[Shape]]:
    """The shapes of what each layer of a TRAIN net learns."""
    inputs: dict[str, Shape] = {}
    for layer in data_layers(net):
        batch, crop = layer.data_param.batch_size, layer.transform_param.crop_size
        inputs[layer.top[0]] = (batch, image[0], crop or image[1], crop or image[2])
        inputs |= {top: (batch,) for top in layer.top[1:]}
    given = {layer.name for layer in net.layer if layer.blobs}  # their values stand in the net
    costs = (cost for cost, _ in known_costs(net, inputs))
    return {cost.name: cost.params for cost in costs if cost.params and cost.name not in given}


def _check_names(wishes: Finetune, shapes: Mapping[str, list[Shape]]) -> None:
    for key, words in (("replace", wishes.replace), ("freeze", wishes.freeze)):
        for word in words:
            if not any(fnmatchcase(name, word) if key == "freeze" else name == word for name in shapes):
                raise UsageError(
                    f"finetune.{key}: no layer {word!r} with weights{near(word, shapes)}",
                    f"the last ones: {', '.join(list(shapes)[-6:])}",
                )
    if not set(wishes.model) & set(shapes):
        raise UsageError(
            "finetune.weights: none of its layers is in this net: nothing would load",
            f"its layers: {', '.join(list(wishes.model)[:8])} …; choose the net that they were trained in",
        )


def _row(name: str, own: list[Shape], wishes: Finetune, fresh: Mapping[str, str]) -> Row:
    count = sum(math.prod(shape) for shape in own)
    if name in fresh:
        return Row(name, AFRESH, count, own, 0, fresh[name])
    if not _same(wishes.model[name], own):
        raise UsageError(
            f"finetune: layer {name} is {_text(own)} here and {_text(wishes.model[name])} in the weights",
            f"finetune.replace: {name}, or make the layers alike",
        )
    frozen = any(fnmatchcase(name, pattern) for pattern in wishes.freeze)
    return Row(name, FROZEN if frozen else LOADS, count, own, 0, "")


def _apply(layer: Any, wishes: Finetune, fresh: Mapping[str, str], renamed: Mapping[str, str]) -> None:
    """Another name, larger or no learning rates; frozen BatchNorm keeps its statistics."""
    if any(fnmatchcase(layer.name, pattern) for pattern in wishes.freeze):
        for param in layer.param:
            param.lr_mult = 0
        if layer.type == "BatchNorm":
            layer.batch_norm_param.use_global_stats = True
    elif layer.name in fresh and layer.type != "BatchNorm":
        for param in layer.param:
            param.lr_mult *= wishes.lr_mult
    layer.name = renamed.get(layer.name, layer.name)


def _lacks_bias(own: list[Shape], source: list[Shape]) -> bool:
    """Whether the weights have a bias where this net has none (He's ResNet-50: conv1)."""
    return len(own) == 1 and len(source) == 2 and _same(source, [own[0], own[0][:1]])


def _same(source: list[Shape], target: list[Shape]) -> bool:
    return len(source) == len(target) and all(map(fits, source, target))


def _text(shapes: list[Shape]) -> str:
    return " + ".join("x".join(map(str, shape)) or "1" for shape in shapes)


def summary_lines(rows: list[Row], wishes: Finetune) -> list[str]:
    """The plan in a few lines: the layers that start afresh each, the others together."""
    total = sum(row.parameters for row in rows) or 1
    lines = []
    for action in (LOADS, FROZEN):
        there = [row for row in rows if row.action == action]
        if there:
            share = sum(row.parameters for row in there) / total
            span = there[0].layer if len(there) == 1 else f"{there[0].layer} … {there[-1].layer}"
            lines.append(f"finetune: {action}: {len(there)} layers, {share:.1%} of all weights: {span}")
    for row in rows:
        if row.action == AFRESH:
            what = f"{_text(row.shapes)}, lr_mult {plain(row.lr_mult)}"
            lines.append(f"finetune: {row.layer} starts afresh, {row.why}: {what}")
    loaded = {row.layer for row in rows if row.action != AFRESH}
    unused = [name for name in wishes.model if name not in loaded]
    if unused:
        more = f" and {len(unused) - 6} more" if len(unused) > 6 else ""
        lines.append(f"finetune: in the weights only: {', '.join(unused[:6])}{more}")
    return lines
