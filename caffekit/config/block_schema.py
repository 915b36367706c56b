"""One block of `net: {blocks: […]}`: what it is made of, and which keys it takes."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from caffekit.config.section import Section
from caffekit.config.values import cross_problem

ActivationName = Literal["relu", "leaky_relu", "prelu", "elu", "swish", "sigmoid", "tanh", "maxout"]
BlockType = Literal[
    "conv", "residual", "preact", "fire", "inception", "dense", "separable", "inverted_residual", "fractal",
    "fc", "pool", "global_pool", "lrn",
]  # fmt: skip
LEARNED = {"activation", "decay_mult", "lr_mult", "dropout", "repeat"}
KEYS: dict[str, set[str]] = {
    "conv": {"width", "kernel", "stride", "norm", *LEARNED},
    "residual": {"width", "stride", "bottleneck", "drop_path", *LEARNED},
    "preact": {"width", "stride", "bottleneck", "drop_path", *LEARNED},
    "fire": {"width", "expand", *LEARNED},
    "inception": {"widths", *LEARNED},
    "dense": {"width", "bottleneck", *LEARNED},
    "separable": {"width", "stride", *LEARNED},
    "inverted_residual": {"width", "expand", "stride", "drop_path", *LEARNED},
    "fractal": {"width", "columns", "drop_path", *LEARNED},
    "fc": {"width", *LEARNED},
    "pool": {"method", "kernel", "stride"},
    "global_pool": {"dropout"},
    "lrn": set(),
}
NO_MAXOUT = ("residual", "preact", "separable", "inverted_residual")


class BlockSettings(Section):
    """A block; keys that its type does not take are errors."""

    type: BlockType
    """What it is."""
    width: int | None = Field(default=None, ge=1)
    """Maps (fc: outputs; dense: new maps a layer; fire: maps of its 1x1 squeeze)."""
    widths: list[int] | None = Field(default=None, min_length=6, max_length=6)
    """Of inception: 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj."""
    kernel: int | None = Field(default=None, ge=1, le=31)
    """Side of the filters (3) or of the pooling window (2)."""
    stride: int | None = Field(default=None, ge=1, le=8)
    """Of the first layer of the first repetition (1; pool: 2)."""
    norm: bool = False
    """BatchNorm and Scale between convolution and activation."""
    bottleneck: bool = False
    """1x1, 3x3, 1x1 instead of 3x3 alone."""
    expand: int | None = Field(default=None, ge=1, le=16)
    """Of fire (4) and inverted_residual (6): how much wider it is inside."""
    columns: int = Field(default=3, ge=1, le=5)
    """Paths of fractal."""
    method: Literal["max", "ave"] = "max"
    """Of pool."""
    repeat: int = Field(default=1, ge=1, le=64)
    """How often in a row."""
    activation: ActivationName | None = None
    """Default: the net's."""
    dropout: float = Field(default=0, ge=0, lt=1)
    """Behind the block."""
    drop_path: float = Field(default=0, ge=0, lt=1)
    """Probability that the block's path is left out for an image."""
    decay_mult: float = Field(default=1, ge=0)
    """Times the solver's weight_decay (L2, or L1 by its regularization_type)."""
    lr_mult: float = Field(default=1, ge=0)
    """Times the solver's learning rate; 0 freezes."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> BlockSettings:
        known = KEYS[self.type]
        for key in type(self).model_fields:
            changed = getattr(self, key) != type(self).model_fields[key].default
            if key != "type" and changed and key not in known:
                takes = f"takes {', '.join(sorted(known))}" if known else "takes no keys"
                raise cross_problem(key, f"{self.type} {takes}")
        for key in ("width", "widths"):
            if key in known and getattr(self, key) is None:
                raise cross_problem(key, f"{self.type} needs it")
        if self.activation == "maxout" and self.type in NO_MAXOUT:
            raise cross_problem("activation", f"{self.type} cannot have maxout, which halves a width")
        return self


BLOCK_TYPES = get_args(BlockType)
