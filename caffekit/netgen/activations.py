"""The activation functions a template can be made with."""

from __future__ import annotations

from typing import NamedTuple


class Activation(NamedTuple):
    """name: prefix of the layers' names; filler: of the weights before it, so that variances keep."""

    name: str
    type: str
    filler: str
    lines: tuple[str, ...] = ()


ACTIVATIONS = {
    "relu": Activation("relu", "ReLU", "msra"),
    "leaky_relu": Activation("relu", "ReLU", "msra", ("relu_param {", "  negative_slope: 0.1", "}")),
    # The slopes are learned but not decayed: decay would pull them towards plain ReLU.
    "prelu": Activation("prelu", "PReLU", "msra", ("param {", "  lr_mult: 1", "  decay_mult: 0", "}")),
    "elu": Activation("elu", "ELU", "msra", ("elu_param {", "  alpha: 1", "}")),
    "sigmoid": Activation("sigmoid", "Sigmoid", "xavier"),
    "tanh": Activation("tanh", "TanH", "xavier"),
}
