"""What the lint rules look at, and what they return."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from caffekit.config.problems import near
from caffekit.errors import CaffekitError
from caffekit.graph import filter_net
from caffekit.graph.shapes import SHAPE_RULES
from caffekit.netgen.structure import PHASES, data_layers

Shape = tuple[int, ...]


class Problem(NamedTuple):
    """One thing that a rule found; `key` is the solver field it is about, where it is one."""

    message: str
    fix: str
    layer: str = ""
    key: str = ""
    severity: str = ""


@dataclass
class Subject:
    """A net, its solver, and what is known of its databases: `shapes` and `images` by phase."""

    net: Any
    solver: Any = None
    classes: int | None = None
    shapes: dict[str, Shape] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    def phase_nets(self) -> Iterator[tuple[str, Any]]:
        """The nets that Caffe would build: of the phases that have a source; without a loss only TEST.

        None where levels or stages choose the layers: the file does not tell which are asked for.
        """
        rules = [rule for layer in self.net.layer for rule in (*layer.include, *layer.exclude)]
        if any(field.name != "phase" for rule in rules for field, _ in rule.ListFields()):
            return
        for name, phase in PHASES.items():
            net = filter_net(self.net, phase)
            if any(not layer.bottom for layer in net.layer) and (name == "TEST" or self.is_trained()):
                yield name, net

    def inputs(self, phase: str, net: Any) -> dict[str, Shape]:
        """The shapes of what the data layers of `net` make, where known."""
        out: dict[str, Shape] = {}
        for layer in data_layers(net):
            if phase in self.shapes:
                batch, crop = layer.data_param.batch_size, layer.transform_param.crop_size
                channels, height, width = self.shapes[phase]
                out[layer.top[0]] = (batch, channels, crop or height, crop or width)
                out |= {top: (batch,) for top in layer.top[1:]}
        return out

    def blob_shapes(self, phase: str, net: Any) -> tuple[dict[str, Shape], list[Problem]]:
        """The shape of every blob as far as it is known, and every layer that does not fit its input.

        Unlike graph.infer_shapes this goes on after a mistake, and past layers that it does not know.
        """
        blobs = self.inputs(phase, net)
        made = set(net.input)
        problems = []
        for layer in net.layer:
            missing = [bottom for bottom in layer.bottom if bottom not in made]
            made.update(layer.top)
            if missing:
                message = (
                    f"no layer before it makes its bottom {missing[0]}{near(missing[0], made - {*missing})}"
                )
                problems.append(Problem(message, "name a top of a layer above", layer.name))
            try:
                blobs |= _tops(layer, blobs)
            except CaffekitError as error:
                message = error.message.removeprefix(f"layer '{layer.name}': ")
                problems.append(Problem(message, "change the layer, or what enters it", layer.name))
        return blobs, problems

    def is_trained(self) -> bool:
        """Whether the net has a loss, that is, learns at all."""
        return any(layer.type.endswith("Loss") for layer in self.net.layer)


def _tops(layer: Any, blobs: dict[str, Shape]) -> dict[str, Shape]:
    """The shapes of the tops of `layer`; {} where its type or a bottom's shape is not known."""
    if layer.type == "Input":
        shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
        return dict(zip(layer.top, shapes * len(layer.top) if len(shapes) == 1 else shapes, strict=False))
    bottoms = [blobs[bottom] for bottom in layer.bottom if bottom in blobs]
    if layer.type not in SHAPE_RULES or not bottoms or len(bottoms) < len(layer.bottom):
        return {}
    return dict(zip(layer.top, SHAPE_RULES[layer.type](layer, bottoms)[0], strict=False))
