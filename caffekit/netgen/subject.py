"""What the lint rules look at, and what they return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from caffekit.errors import CaffekitError
from caffekit.formats.prototxt_tolerant import Unknown
from caffekit.graph import filter_net
from caffekit.netgen.structure import PHASES
from caffekit.netgen.view import Shape, View, is_loss, view_of


class Problem(NamedTuple):
    """One thing that a rule found; `key` is the solver field it is about, where it is one.

    `fix`, `severity`, `source`: where not the rule's own. `nth`: which of several layers of a name, from 0;
    `line`: where layer or field do not tell.
    """

    message: str
    fix: str = ""
    layer: str = ""
    key: str = ""
    severity: str = ""
    nth: int = 0
    source: str = ""
    line: int = 0


@dataclass
class Subject:
    """A net, its solver, and what is known of its data: `shapes` (C, H, W), `images`, `labels` by phase.

    `trained`: the net that this one deploys, where it is known. `target`: what the net shall run on.
    `at_home`: the solver's paths lead to its files from here, so that others can be held against the disk.
    `unknown`: what of the two texts BVLC's Caffe does not know; `old_form`: V0 or V1, if it was upgraded.
    """

    net: Any
    solver: Any = None
    classes: int | None = None
    shapes: dict[str, Shape] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    labels: dict[str, Counter[int]] = field(default_factory=dict)
    trained: Any = None
    target: str = ""
    at_home: bool = False
    unknown: Sequence[Unknown] = ()
    solver_unknown: Sequence[Unknown] = ()
    old_form: str = ""

    def phase_nets(self) -> Iterator[tuple[str, Any]]:
        """The nets that Caffe would build: of the phases that have a source; without a loss only TEST.

        None where levels or stages choose the layers: the file does not tell which are asked for.
        """
        rules = [rule for layer in self.net.layer for rule in (*layer.include, *layer.exclude)]
        if any(field.name != "phase" for rule in rules for field, _ in rule.ListFields()):
            return
        for name, phase in PHASES.items():
            try:
                net = filter_net(self.net, phase)
            except CaffekitError:
                return  # a layer with include and exclude: a rule of its own says so
            if any(not layer.bottom for layer in net.layer) and (name == "TEST" or self.is_trained()):
                yield name, net

    @cached_property
    def views(self) -> list[View]:
        """The phase nets with their shapes; made once, when the facts are in."""
        return [view_of(phase, net, self.inputs(phase, net)) for phase, net in self.phase_nets()]

    @property
    def main(self) -> View | None:
        """The net that learns; of a net that does not, the one that is there."""
        return self.views[0] if self.views else None

    def inputs(self, phase: str, net: Any) -> dict[str, Shape]:
        """The shapes of what the data layers of `net` make, where known."""
        out: dict[str, Shape] = {}
        for layer in net.layer:
            shape = self._record(phase, layer)
            if shape and layer.top:
                batch, crop = self.batch_size(layer) or 1, layer.transform_param.crop_size
                channels, height, width = shape
                out[layer.top[0]] = (batch, channels, crop or height, crop or width)
                out |= {top: (batch,) for top in layer.top[1:]}
        return out

    def _record(self, phase: str, layer: Any) -> Shape | None:
        """C, H, W of what `layer` reads; colour is taken for granted where only a crop tells the size."""
        if layer.type == "Data" and phase in self.shapes:
            return self.shapes[phase]
        param = layer.image_data_param
        if layer.type == "ImageData" and (param.new_height or layer.transform_param.crop_size):
            return (3 if param.is_color else 1, param.new_height, param.new_width)
        if layer.type in ("Data", "WindowData") and layer.transform_param.crop_size:
            return (3, 0, 0)
        return None

    def is_guessed(self, view: View) -> bool:
        """Whether the channels of an input were taken for granted."""
        kinds = [layer.type for layer in view.layers if layer.transform_param.crop_size]
        return "WindowData" in kinds or ("Data" in kinds and view.phase not in self.shapes)

    @staticmethod
    def batch_size(layer: Any) -> int:
        """Of a data layer; 0 where it has none."""
        name = DATA_PARAMS.get(layer.type)
        return int(getattr(layer, name).batch_size) if name else 0

    def blob_shapes(self, phase: str, net: Any) -> tuple[dict[str, Shape], list[Problem]]:
        """The shape of every blob as far as it is known, and every layer that does not fit its input."""
        view = view_of(phase, net, self.inputs(phase, net))
        fix = "change the layer, or what enters it"
        found = [*((i, text) for i, _, text in view.missing), *view.problems]
        return view.blobs, [Problem(text, fix, net.layer[i].name) for i, text in sorted(found)]

    def is_trained(self) -> bool:
        """Whether the net has a loss, that is, learns at all."""
        return any(is_loss(layer) for layer in self.net.layer)

    def is_deploy(self) -> bool:
        """Whether nothing in the net reads data: it is fed."""
        sources = {layer.type for layer in self.net.layer if not layer.bottom}
        return "Input" in sources and sources <= {"Input", "DummyData", "Parameter"}

    def training_images(self) -> int:
        """How many there are to learn from; 0 where it is not known."""
        return self.images.get("TRAIN", 0)


DATA_PARAMS = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
}

__all__ = ["DATA_PARAMS", "Problem", "Shape", "Subject"]
