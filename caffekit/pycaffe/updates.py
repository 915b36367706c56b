"""What solvers compute: learning rates, and update values from gradients, in order of complexity.

Formulae: src/caffe/solvers/*.cpp. A rule gets the learning rate (lr · lr_mult), the gradients of some
parameters, their history tensors (a list for each kind of history; changed in place), the solver's parameters
and the iteration; it turns the gradients into what is subtracted from the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Tensors = list[torch.Tensor]
Rule = Callable[[float, Tensors, list[Tensors], Any, int], None]


def sgd(rate: float, grads: Tensors, history: list[Tensors], param: Any, it: int) -> None:
    """h = momentum · h + rate · g, subtracted; the rate is inside the history, unlike torch's SGD."""
    torch._foreach_mul_(history[0], param.momentum)
    torch._foreach_add_(history[0], grads, alpha=rate)
    torch._foreach_copy_(grads, history[0])


def nesterov(rate: float, grads: Tensors, history: list[Tensors], param: Any, it: int) -> None:
    """(1 + momentum) · h_new - momentum · h_old, which is momentum · h_new + rate · g."""
    torch._foreach_mul_(grads, rate)
    torch._foreach_mul_(history[0], param.momentum)
    torch._foreach_add_(history[0], grads)
    torch._foreach_add_(grads, history[0], alpha=param.momentum)


def adagrad(rate: float, grads: Tensors, history: list[Tensors], param: Any, it: int) -> None:
    """h += g²; rate · g / (√h + delta)."""
    torch._foreach_addcmul_(history[0], grads, grads)
    _over_root(rate, grads, history[0], param.delta)


def rmsprop(rate: float, grads: Tensors, history: list[Tensors], param: Any, it: int) -> None:
    """h = d · h + (1 - d) · g²; rate · g / (√h + delta)."""
    _average_squares(history[0], grads, param.rms_decay)
    _over_root(rate, grads, history[0], param.delta)


def adadelta(rate: float, grads: Tensors, history: list[Tensors], param: Any, it: int) -> None:
    """h averages g², h2 the squared updates; v = g · √((h2 + delta) / (h + delta)); rate · v."""
    squares, updates = history
    _average_squares(squares, grads, param.momentum)
    factor = list(torch._foreach_add(updates, param.delta))
    torch._foreach_div_(factor, torch._foreach_add(squares, param.delta))
    torch._foreach_sqrt_(factor)
    torch._foreach_mul_(grads, factor)
    _average_squares(updates, grads, param.momentum)
    torch._foreach_mul_(grads, rate)


def adam(rate: float, grads: Tensors, history: list[Tensors], param: Any, it: int) -> None:
    """rate · √(1 - β2ᵗ) / (1 - β1ᵗ) · m / (√v + delta); delta comes after the uncorrected root."""
    first, second = history
    torch._foreach_mul_(first, param.momentum)
    torch._foreach_add_(first, grads, alpha=1 - param.momentum)
    _average_squares(second, grads, param.momentum2)
    torch._foreach_copy_(grads, first)
    correction = math.sqrt(1 - param.momentum2 ** (it + 1)) / (1 - param.momentum ** (it + 1))
    _over_root(rate * correction, grads, second, param.delta)


def _average_squares(average: Tensors, values: Tensors, keep: float) -> None:
    torch._foreach_mul_(average, keep)
    torch._foreach_addcmul_(average, values, values, value=1 - keep)


def _over_root(rate: float, grads: Tensors, squares: Tensors, delta: float) -> None:
    root = list(torch._foreach_sqrt(squares))
    torch._foreach_add_(root, delta)
    torch._foreach_div_(grads, root)
    torch._foreach_mul_(grads, rate)


RULES: dict[str, tuple[Rule, int]] = {
    "SGD": (sgd, 1),
    "Nesterov": (nesterov, 1),
    "AdaGrad": (adagrad, 1),
    "RMSProp": (rmsprop, 1),
    "AdaDelta": (adadelta, 2),
    "Adam": (adam, 2),
}
"""Each solver type's rule, and how many history tensors it keeps per parameter."""


def update(
    rule: Rule, rate: float, decay: float, params: list[tuple[torch.Tensor, ...]], param: Any, it: int
) -> None:
    """Update parameters that have one rate and decay; each is (values, gradient, history tensors …).

    The order is Caffe's: divide by iter_size, add the decay, let the rule turn gradients into updates.
    """
    l2 = decay if param.regularization_type == "L2" else 0.0
    if rule is sgd and param.momentum and param.iter_size == 1 and l2 == decay and _is_plain(params):
        _sgd_at_once(rate, decay, params, param.momentum)
        return
    values, grads, *history = (list(kind) for kind in zip(*params, strict=True))
    if param.iter_size > 1:
        torch._foreach_mul_(grads, 1 / param.iter_size)
    if decay:
        torch._foreach_add_(grads, values if l2 else [each.sign() for each in values], alpha=decay)
    rule(rate, grads, history, param, it)
    torch._foreach_sub_(values, grads)


def _sgd_at_once(rate: float, decay: float, params: list[tuple[torch.Tensor, ...]], momentum: float) -> None:
    """sgd with its decay in one pass over memory: torch's own step of rate 1, its dampening our rate."""
    values, grads, history = (list(kind) for kind in zip(*params, strict=True))
    torch._fused_sgd_(
        values,
        grads,
        history,
        weight_decay=decay,
        momentum=momentum,
        lr=1.0,
        dampening=1 - rate,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )
    torch._foreach_copy_(grads, history)


def _is_plain(params: list[tuple[torch.Tensor, ...]]) -> bool:
    """Whether all tensors are what torch's own step takes."""
    return all(each.is_contiguous() and each.dtype == torch.float32 for kinds in params for each in kinds)


def clip(grads: Tensors, limit: float) -> float:
    """Scale all gradients down to the L2 norm `limit`, if they exceed it; the norm that they had."""
    norm = float(torch.linalg.vector_norm(torch.stack(list(torch._foreach_norm(grads)))))
    if norm > limit:
        torch._foreach_mul_(grads, limit / norm)
    return norm


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
