"""What solvers compute: learning rates, and update values from gradients, in order of complexity.

Formulae: src/caffe/solvers/*.cpp. A rule gets the learning rate (lr · lr_mult), the gradient, the history
tensors of one parameter (changed in place) and the solver, and returns what is subtracted from the parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
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


LR_POLICIES: dict[str, Callable[[Any, float, int], Any]] = {
    "fixed": lambda p, it, step: 1.0,
    "step": lambda p, it, step: np.power(np.float64(p.gamma), step),
    "exp": lambda p, it, step: np.power(np.float64(p.gamma), it),
    "inv": lambda p, it, step: np.power(np.float64(1 + p.gamma * it), -p.power),
    "multistep": lambda p, it, step: np.power(np.float64(p.gamma), step),
    "poly": lambda p, it, step: np.power(1 - np.float64(it) / p.max_iter, p.power),
    "sigmoid": lambda p, it, step: 1 / (1 + np.exp(-p.gamma * (np.float64(it) - p.stepsize))),
}
"""The factor on base_lr at iteration `it`; `step` counts the steps passed."""


def learning_rate(param: Any, it: int, step: int) -> float:
    """The float32 that Caffe computes at iteration `it`; nan, inf and below 0 where its formula is."""
    with np.errstate(all="ignore"):
        return float(np.float32(param.base_lr * LR_POLICIES[param.lr_policy](param, it, step)))


def check_policy(param: Any) -> None:
    """ValueError for an lr_policy that Caffe would only refuse at its first update."""
    if param.lr_policy not in LR_POLICIES:
        raise ValueError(f"Unknown learning rate policy: {param.lr_policy} (known: {', '.join(LR_POLICIES)})")
    if param.lr_policy in ("step", "sigmoid") and param.stepsize <= 0:
        raise ValueError(f"lr_policy {param.lr_policy} needs a stepsize above 0, got {param.stepsize}")
    if param.lr_policy in ("step", "exp", "sigmoid", "multistep", "inv") and param.gamma < 0:
        raise ValueError(f"lr_policy {param.lr_policy} needs a gamma of at least 0, got {param.gamma:g}")


def check_options(param: Any, solver_type: str) -> None:
    """ValueError for options that Caffe refuses when it makes the solver, or that could only give nan."""
    if solver_type not in RULES:
        raise ValueError(f"Unknown solver type: {solver_type} (known types: {', '.join(sorted(RULES))})")
    if solver_type in ("AdaGrad", "RMSProp") and param.momentum:
        raise ValueError(f"Momentum cannot be used with {solver_type}: remove momentum: {param.momentum:g}")
    if solver_type == "RMSProp" and not 0 <= param.rms_decay < 1:
        raise ValueError(f"rms_decay should lie between 0 and 1, got {param.rms_decay:g}")
    for name in ("average_loss", "iter_size"):
        if getattr(param, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(param, name)}")
    if param.weight_decay and param.regularization_type not in ("L1", "L2"):
        raise ValueError(f"Unknown regularization type: {param.regularization_type} (known: L1, L2)")
