"""What solvers compute: learning rates, and update values from gradients, in order of complexity.

Formulae: src/caffe/solvers/*.cpp. A rule gets the learning rate (lr · lr_mult), the gradient, the history
tensors of one parameter (changed in place) and the solver, and returns what is subtracted from the parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

Rule = Callable[[float, torch.Tensor, list[torch.Tensor], Any, int], torch.Tensor]


def sgd(rate: float, grad: torch.Tensor, history: list[torch.Tensor], param: Any, it: int) -> torch.Tensor:
    """h = momentum · h + rate · g; the rate is inside the history, unlike torch's SGD."""
    update: torch.Tensor = history[0].mul_(param.momentum).add_(grad, alpha=rate)
    return update


def nesterov(
    rate: float, grad: torch.Tensor, history: list[torch.Tensor], param: Any, it: int
) -> torch.Tensor:
    """(1 + momentum) · h_new − momentum · h_old."""
    old = history[0].clone()
    new = sgd(rate, grad, history, param, it)
    update: torch.Tensor = new * (1 + param.momentum) - old * param.momentum
    return update


def adagrad(
    rate: float, grad: torch.Tensor, history: list[torch.Tensor], param: Any, it: int
) -> torch.Tensor:
    """h += g²; rate · g / (√h + delta)."""
    history[0].addcmul_(grad, grad)
    update: torch.Tensor = grad / (history[0].sqrt() + param.delta) * rate
    return update


def rmsprop(
    rate: float, grad: torch.Tensor, history: list[torch.Tensor], param: Any, it: int
) -> torch.Tensor:
    """h = d · h + (1 − d) · g²; rate · g / (√h + delta)."""
    history[0].mul_(param.rms_decay).addcmul_(grad, grad, value=1 - param.rms_decay)
    update: torch.Tensor = grad / (history[0].sqrt() + param.delta) * rate
    return update


def adadelta(
    rate: float, grad: torch.Tensor, history: list[torch.Tensor], param: Any, it: int
) -> torch.Tensor:
    """h averages g², h2 the squared updates; v = g · √((h2 + delta) / (h + delta)); rate · v."""
    squares, updates = history
    squares.mul_(param.momentum).addcmul_(grad, grad, value=1 - param.momentum)
    value = grad * ((updates + param.delta) / (squares + param.delta)).sqrt()
    updates.mul_(param.momentum).addcmul_(value, value, value=1 - param.momentum)
    update: torch.Tensor = value * rate
    return update


def adam(rate: float, grad: torch.Tensor, history: list[torch.Tensor], param: Any, it: int) -> torch.Tensor:
    """rate · √(1 − β2ᵗ) / (1 − β1ᵗ) · m / (√v + delta); delta comes after the uncorrected root."""
    first, second = history
    first.mul_(param.momentum).add_(grad, alpha=1 - param.momentum)
    second.mul_(param.momentum2).addcmul_(grad, grad, value=1 - param.momentum2)
    correction = math.sqrt(1 - param.momentum2 ** (it + 1)) / (1 - param.momentum ** (it + 1))
    update: torch.Tensor = first / (second.sqrt() + param.delta) * (rate * correction)
    return update


RULES: dict[str, tuple[Rule, int]] = {
    "SGD": (sgd, 1),
    "Nesterov": (nesterov, 1),
    "AdaGrad": (adagrad, 1),
    "RMSProp": (rmsprop, 1),
    "AdaDelta": (adadelta, 2),
    "Adam": (adam, 2),
}
"""Each solver type's rule, and how many history tensors it keeps per parameter."""


LR_POLICIES: dict[str, Callable[[Any, int, int], float]] = {
    "fixed": lambda p, it, step: 1.0,
    "step": lambda p, it, step: p.gamma ** (it // p.stepsize),
    "exp": lambda p, it, step: p.gamma**it,
    "inv": lambda p, it, step: (1 + p.gamma * it) ** -p.power,
    "multistep": lambda p, it, step: p.gamma**step,
    "poly": lambda p, it, step: max(0.0, 1 - it / p.max_iter) ** p.power,
    "sigmoid": lambda p, it, step: 1 / (1 + math.exp(-p.gamma * (it - p.stepsize))),
}
"""The factor on base_lr at iteration `it`; `step` counts the stepvalues passed."""


def check_policy(param: Any) -> None:
    """ValueError for an lr_policy that Caffe would only refuse at its first update."""
    if param.lr_policy not in LR_POLICIES:
        raise ValueError(f"Unknown learning rate policy: {param.lr_policy} (known: {', '.join(LR_POLICIES)})")
    if param.lr_policy in ("step", "sigmoid") and param.stepsize <= 0:
        raise ValueError(f"lr_policy {param.lr_policy} needs a stepsize above 0")
    if param.lr_policy in ("step", "exp", "sigmoid", "multistep", "inv") and param.gamma < 0:
        raise ValueError(f"lr_policy {param.lr_policy} needs a gamma of at least 0, got {param.gamma:g}")
