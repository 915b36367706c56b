"""The activation functions a template can be made with."""

from __future__ import annotations

from typing import NamedTuple


class Activation(NamedTuple):
    """name: prefix of the layers' names; filler: of the weights before it, so that variances keep.

    Fillers: half of what enters a rectifier is lost, which msra (variance 2 / fan_in) makes up for; sigmoid
    and tanh are near linear around 0, where xavier (1 / fan_in) keeps the variance.
    """

    name: str
    type: str
    filler: str
    lines: tuple[str, ...] = ()


ACTIVATIONS = {
    "relu": Activation("relu", "ReLU", "msra"),
    "leaky_relu": Activation("relu", "ReLU", "msra", ("relu_param { negative_slope: 0.1 }",)),
    # The slopes are learned but not decayed: decay would pull them towards plain ReLU.
    "prelu": Activation("prelu", "PReLU", "msra", ("param { lr_mult: 1 decay_mult: 0 }",)),
    "elu": Activation("elu", "ELU", "msra", ("elu_param { alpha: 1 }",)),
    # x times sigmoid(x), a rectifier that bends: as much is lost as by ReLU.
    "swish": Activation("swish", "Swish", "msra"),
    "sigmoid": Activation("sigmoid", "Sigmoid", "xavier"),
    "tanh": Activation("tanh", "TanH", "xavier"),
    # The larger of two maps each: stock layers (Slice, Eltwise MAX). Nothing is cut off at zero, so xavier.
    "maxout": Activation("maxout", "Maxout", "xavier"),
}
