"""One phase's net as Caffe would build it: who feeds whom, with shapes as far as they are known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from caffekit.config.problems import near
from caffekit.errors import CaffekitError
from caffekit.graph.shapes import FROM_OUTSIDE, SHAPE_RULES, layer_shapes

Shape = tuple[int, ...]
LEARNED = ("Convolution", "Deconvolution", "InnerProduct", "DepthwiseConvolution", "ConvolutionDepthwise")
ACTIVATIONS = ("ReLU", "PReLU", "ELU", "Sigmoid", "TanH", "BNLL", "Swish", "AbsVal", "Clip", "ReLU6")
KEEPS = (*ACTIVATIONS, "Dropout", "BatchNorm", "Scale", "Bias", "LRN", "Power", "MVN", "Split")
"""Types that keep their bottom's shape and do not mix channels with learned weights."""


@dataclass
class View:
    """`feeds[i]`: who makes each bottom of layer i (None: nobody); `readers[i]`: who reads its tops.

    `bottoms`, `tops` and `params` hold shapes, or None where they are not known. `problems`: (layer index,
    text); `missing`: (layer index, bottom that nobody makes, text).
    """

    phase: str
    net: Any
    blobs: dict[str, Shape] = field(default_factory=dict)
    feeds: list[list[int | None]] = field(default_factory=list)
    readers: list[list[int]] = field(default_factory=list)
    bottoms: list[list[Shape | None]] = field(default_factory=list)
    tops: list[list[Shape | None]] = field(default_factory=list)
    params: list[list[Shape]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    missing: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def layers(self) -> Any:
        """The layers, in order."""
        return self.net.layer

    def of_type(self, types: Collection[str]) -> Iterator[tuple[int, Any]]:
        """(index, layer) of every layer of these types."""
        return ((i, layer) for i, layer in enumerate(self.layers) if layer.type in types)

    def above(self, index: int, bottom: int = 0, through: Collection[str] = KEEPS) -> int | None:
        """The layer that feeds bottom `bottom` of `index`, past layers of the types `through`."""
        feeds = self.feeds[index]
        at = feeds[bottom] if bottom < len(feeds) else None
        while at is not None and self.layers[at].type in through and self.feeds[at]:
            at = self.feeds[at][0]
        return at

    def path(self, index: int, bottom: int = 0, through: Collection[str] = KEEPS) -> list[Any]:
        """The layers of the types `through` between bottom `bottom` of `index` and what `above` gives."""
        found = []
        at = self.feeds[index][bottom] if bottom < len(self.feeds[index]) else None
        while at is not None and self.layers[at].type in through:
            found.append(self.layers[at])
            at = self.feeds[at][0] if self.feeds[at] else None
        return found

    def ancestors(self, indices: Collection[int]) -> set[int]:
        """`indices` and every layer above them."""
        seen: set[int] = set()
        todo = list(indices)
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo += [each for each in self.feeds[at] if each is not None]
        return seen

    def depth(self, types: Collection[str] = LEARNED) -> list[int]:
        """For each layer, how many layers of `types` the longest path to it holds, itself included."""
        out: list[int] = []
        for i, layer in enumerate(self.layers):
            below = max((out[each] for each in self.feeds[i] if each is not None), default=0)
            out.append(below + (layer.type in types))
        return out

    def losses(self) -> list[int]:
        """The layers whose tops the solver makes small."""
        return [i for i, layer in enumerate(self.layers) if is_loss(layer)]


def is_loss(layer: Any) -> bool:
    """Whether the tops of `layer` count in the loss."""
    if layer.loss_weight:
        return any(layer.loss_weight)
    return bool(layer.type.endswith("Loss"))


def view_of(phase: str, net: Any, inputs: Mapping[str, Shape]) -> View:
    """Walk `net` (of one phase); `inputs` are the shapes of blobs that data layers make, where known.

    Unlike graph.walk_shapes this goes on after a mistake, and past layers that it does not know.
    """
    view = View(phase, net)
    makers: dict[str, int | None] = dict.fromkeys(net.input)
    for i, layer in enumerate(net.layer):
        feeds = [makers.get(name) for name in layer.bottom]
        view.feeds.append(feeds)
        view.readers.append([])
        for each in {one for one in feeds if one is not None}:
            view.readers[each].append(i)
        absent = [name for name in layer.bottom if name not in makers]
        if absent:
            hint = near(absent[0], {*makers} - {*absent})
            view.missing.append((i, absent[0], f"no layer before it makes its bottom {absent[0]}{hint}"))
        _shapes(view, i, layer, inputs)
        makers |= dict.fromkeys(layer.top, i)
    return view


def _shapes(view: View, index: int, layer: Any, inputs: Mapping[str, Shape]) -> None:
    """Fill in what is known of the shapes around one layer."""
    bottoms = [view.blobs.get(name) for name in layer.bottom]
    tops: list[Shape | None] = [None] * len(layer.top)
    params: list[Shape] = []
    if not layer.bottom and any(top in inputs for top in layer.top):
        tops = [inputs.get(top) for top in layer.top]
    elif layer.type in SHAPE_RULES and layer.type not in FROM_OUTSIDE and None not in bottoms:
        try:
            made, params = layer_shapes(layer, [each for each in bottoms if each is not None])
            tops = [*made, *tops][: len(layer.top)]
        except CaffekitError as error:
            view.problems.append((index, error.message.removeprefix(f"layer '{layer.name}': ")))
    for top in layer.top:
        view.blobs.pop(top, None)
    view.blobs |= {name: shape for name, shape in zip(layer.top, tops, strict=True) if shape is not None}
    view.bottoms.append(bottoms)
    view.tops.append(tops)
    view.params.append(params)
