"""What the macros of prototxt_templates/ see as `net`: the options, and where each blob is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caffekit.netgen.activations import ACTIVATIONS, Activation
from caffekit.netgen.numbers import plain

OUTPUTS = {
    "softmax": "Softmax",
    "hinge": "",
    "center": "Softmax",
    "euclidean": "",
    "sigmoid_cross_entropy": "Sigmoid",
}
"""What follows the scores in a deploy net, of the losses that have scores without labels."""
NUMBERS = ("euclidean", "sigmoid_cross_entropy")
"""Losses whose labels are numbers, not classes."""
STEP = 8  # widths that a multiplier changed are multiples of this, as fast kernels like them


def widened(width: int, by: float) -> int:
    """`width` times `by`, rounded to a multiple of 8, never more than a tenth below it."""
    if by == 1:
        return width
    wanted = width * by
    rounded = max(STEP, int(wanted + STEP / 2) // STEP * STEP)
    return rounded + STEP if rounded < 0.9 * wanted else rounded


@dataclass
class Scope:
    """The options of one net while its text is made; `train`: of train_val rather than deploy."""

    classes: int
    activation: Activation
    train: bool
    batch_size: int
    channels: int
    height: int
    width: int
    depth: int = 0
    by: float = 1.0
    dropout: float = 0.0
    drop_path: float = 0.0
    entry: str = "data"
    decay: str = "1"
    lr_mult: float = 1.0
    features: int = 2
    suffix: str = ""
    sharing: bool = False
    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)
    last: tuple[str, str] = ("", "")
    places: dict[str, str] = field(default_factory=dict)

    @property
    def act(self) -> str:
        """What the names of activation layers begin with: relu, tanh …"""
        return self.activation.name

    @property
    def filler(self) -> str:
        """The weight_filler that keeps variances through the activation."""
        return self.activation.filler

    @property
    def pieces(self) -> int:
        """Maps that become one in the activation."""
        return 2 if self.activation.type == "Maxout" else 1

    @property
    def makes_scores(self) -> bool:
        """Whether the net has a classifier that its loss does not bring."""
        brought = self.loss_options or self.also or self.loss != "softmax"
        return not brought or (not self.train and self.loss in OUTPUTS)

    @property
    def outputs(self) -> int:
        """What the classifier gives: a score a class, or as many numbers as the loss is told."""
        return int(self.loss_options.get("outputs", 1)) if self.loss in NUMBERS else self.classes

    def end(self, name: str, bottom: str) -> str:
        """Keep where the net's features are, and what its classifier is called."""
        self.last = (name, self.blob(bottom))
        return ""

    def set_block(self, block: Mapping[str, Any], whole: Activation) -> str:
        """From here on, a block's activation (else that of the `whole` net), decay_mult and lr_mult."""
        name = block["activation"]
        self.activation = ACTIVATIONS[name] if name else whole
        self.decay, self.lr_mult = plain(block["decay_mult"]), block["lr_mult"]
        return ""

    def w(self, width: int) -> int:
        """A width of the original net after the net's width multiplier."""
        return widened(width, self.by)

    def ws(self, widths: Sequence[int]) -> list[int]:
        """Several of them."""
        return [self.w(width) for width in widths]

    def letter(self, index: int) -> str:
        """a, b … z, then b26 and so on: how He et al. number the blocks of a stage."""
        return chr(ord("a") + index) if index < 26 else f"b{index}"

    def decayed(self, by: str) -> str:
        """From here on, weights decay `by` times as much as the solver says."""
        self.decay = by
        return ""

    def lr(self, usual: int) -> str:
        """lr_mult of a layer that learns at `usual` in a net without options."""
        return plain(usual * self.lr_mult)

    def plain(self, value: float) -> str:
        """A number as a person writes it."""
        return plain(value)

    def own(self, name: str) -> str:
        """The name of a layer or blob in the present branch."""
        return name + self.suffix

    def shared(self, layer: str, kind: str) -> str:
        """The name of a parameter that all branches share, as text before its other fields; else ""."""
        return f'name: "{layer}_{kind}" ' if self.sharing else ""

    def branch(self, suffix: str) -> str:
        """From here on, another branch over the same parameters: its names end in `suffix`."""
        self.suffix, self.sharing, self.places = suffix, True, {}
        return ""

    def blob(self, name: str) -> str:
        """Where the blob that the template calls `name` is now."""
        if name in self.places:
            return self.places[name]
        return name if name == self.entry and not self.sharing else self.own(name)

    def rename(self, name: str, to: str) -> str:
        """What asks for blob `name` is given `to` from here on."""
        self.places[name] = self.own(to)
        return ""
