"""Carry remedies out: in the plan of the next attempt, or in copies of the user's files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from caffekit.diagnosis.attempt import AttemptPlan
from caffekit.diagnosis.causes.learning_rate import clip_value
from caffekit.diagnosis.evidence import Cause
from caffekit.diagnosis.observation import Observation

FACTOR = 0.1


def repair(
    plan: AttemptPlan, cause: Cause, seen: Sequence[Observation], mode: str = "auto", min_lr: float = 0.0
) -> AttemptPlan | None:
    """`plan` with what cures `cause`, and `changed` saying what; None when base_lr can go no lower.

    `mode` auto takes the remedy that fits the cause; lower_lr and clip insist on theirs.
    """
    weights = cause.remedy.get("set", {}).get("loss_weight")
    if mode == "auto" and weights:
        old = {name: plan.loss_weights.get(name, _weight(seen, name)) for name in weights}
        new = {name: _round(value * FACTOR) for name, value in old.items()}
        changed = {"loss_weight": {name: [old[name], new[name]] for name in new}}
        return replace(plan, loss_weights={**plan.loss_weights, **new}, changed=changed)
    norms = [e.grad_norm for e in seen if e.grad_norm and math.isfinite(e.grad_norm)]
    if mode == "clip" and norms and plan.clip_gradients is None:
        clip = clip_value(norms)
        return replace(plan, clip_gradients=clip, changed={"clip_gradients": [None, clip]})
    lr = plan.base_lr if plan.base_lr is not None else next((e.lr for e in seen if e.lr), 0.0)
    lr = _round(lr)  # (a prototxt's float32 0.1 is 0.10000000149)
    new_lr = max(_round(lr * FACTOR), min_lr)
    if not new_lr < lr:
        return None
    return replace(plan, base_lr=new_lr, changed={"base_lr": [lr, new_lr]})


def _weight(seen: Sequence[Observation], name: str) -> float:
    return next((each.weights[name] for each in seen if name in each.weights), 1.0)


def _round(value: float) -> float:
    """Six digits: 0.01 × 0.1 is 0.001, as anybody would write it."""
    return float(f"{value:.6g}")


def apply(remedy: dict[str, Any], solver: Any = None, net: Any = None) -> list[str]:
    """Put a remedy's "set" into a SolverParameter and a NetParameter; the changes made, one sentence each."""
    wanted, done = remedy.get("set", {}), []
    for key in ("base_lr", "clip_gradients"):
        if key in wanted and solver is not None:
            old = f"{getattr(solver, key):g}" if solver.HasField(key) else "unset"
            setattr(solver, key, wanted[key])
            done.append(f"solver: {key}: {old} → {wanted[key]:g}")
    for name, weight in wanted.get("loss_weight", {}).items():
        done += _set_loss_weight(net, name, weight) if net is not None else []
    return done


def _set_loss_weight(net: Any, top: str, weight: float) -> list[str]:
    """Give the loss output `top` its weight in every layer that makes it."""
    done = []
    for layer in net.layer:
        if top not in layer.top:
            continue
        index = list(layer.top).index(top)
        old = list(layer.loss_weight) or [1.0 if layer.type.endswith("Loss") else 0.0] * len(layer.top)
        done.append(f"net: layer {layer.name}: loss_weight: {old[index]:g} → {weight:g}")
        old[index] = weight
        del layer.loss_weight[:]
        layer.loss_weight.extend(old)
    return done
