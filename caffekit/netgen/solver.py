"""Solver settings + what is known of the data → solver.prototxt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from caffekit.config.values import Epochs, Percent
from caffekit.errors import UsageError
from caffekit.netgen.numbers import plain, quoted

EPOCHS = 30  # when neither epochs nor max_iter is given
# What each policy reads, and its defaults; a function of max_iter where the default depends on it.
LR_POLICIES: dict[str, dict[str, Any]] = {
    "fixed": {},
    "step": {"gamma": 0.1, "stepsize": Percent(33)},
    "exp": {"gamma": lambda max_iter: 0.001 ** (1 / max(1, max_iter))},
    "inv": {"gamma": 0.0001, "power": 0.75},
    "multistep": {"gamma": 0.1, "stepvalue": ()},
    "poly": {"power": 1.0},
    # base_lr / (1 + exp(-gamma (iter - stepsize))): rises from almost nothing within 2 stepsizes.
    "sigmoid": {"gamma": lambda max_iter: 100 / max(1, max_iter), "stepsize": Percent(5)},
}
SOLVER_TYPES: dict[str, dict[str, float]] = {
    "SGD": {"base_lr": 0.01, "momentum": 0.9},
    "Nesterov": {"base_lr": 0.01, "momentum": 0.9},
    "AdaGrad": {"base_lr": 0.01, "delta": 1e-8},
    "RMSProp": {"base_lr": 0.001, "rms_decay": 0.99, "delta": 1e-8},
    "AdaDelta": {"base_lr": 1.0, "momentum": 0.95, "delta": 1e-8},
    "Adam": {"base_lr": 0.001, "momentum": 0.9, "momentum2": 0.999, "delta": 1e-8},
}
# Passed on as given, where they differ from Caffe's own default.
PASSED_ON: dict[str, Any] = {
    "average_loss": 1,
    "clip_gradients": None,
    "snapshot_format": "BINARYPROTO",
    "snapshot_diff": False,
    "snapshot_after_train": True,
    "debug_info": False,
}
_ENUMS = ("snapshot_format", "solver_mode")


@dataclass
class Plan:
    """The fields of a SolverParameter in the order they are written, and why they are what they are."""

    fields: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 64
    test_batch_size: int = 64
    epoch: int = 1
    notes: list[str] = field(default_factory=list)


def plan_solver(wanted: Mapping[str, Any], train_images: int, test_images: int) -> Plan:
    """Decide every field; `wanted` has Caffe's names, None where the default shall stand.

    Percentages are of max_iter, epochs of the training set. Without test images nothing is tested.
    """
    given = {key: value for key, value in wanted.items() if value is not None}
    batch, iter_size = given.get("batch_size", 64), given.get("iter_size", 1)
    # Rounded up, so that tests and snapshots once an epoch also fall on max_iter = N epochs.
    plan = Plan(batch_size=batch, epoch=max(1, math.ceil(train_images / (batch * iter_size))))
    max_iter = _max_iter(given, plan)
    if test_images:
        _test_fields(plan, given, test_images, max_iter)
    plan.fields |= _rule_fields(given, plan, max_iter)
    plan.fields["display"] = given.get("display", min(100, max(1, max_iter // 100)))
    plan.fields["max_iter"] = max_iter
    if iter_size != 1:
        plan.fields["iter_size"] = iter_size
    plan.fields["snapshot"] = iterations(given.get("snapshot", Epochs(1)), max_iter, plan.epoch)
    plan.fields |= {key: given[key] for key, usual in PASSED_ON.items() if given.get(key, usual) != usual}
    if "random_seed" in given:
        plan.fields["random_seed"] = given["random_seed"]
    return plan


def iterations(value: int | Percent | Epochs, max_iter: int, epoch: int) -> int:
    """Iterations that a number, a percentage of max_iter or a number of epochs stands for."""
    if isinstance(value, Percent):
        return value.of(max_iter)
    if isinstance(value, Epochs):
        return max(1, round(value.value * epoch))
    return value


def solver_text(plan: Plan, net: str, snapshot_prefix: str, mode: str) -> str:
    """solver.prototxt; `mode` is CPU or GPU."""
    fields = {"net": net, **plan.fields, "snapshot_prefix": snapshot_prefix, "solver_mode": mode}
    lines = [f"# one epoch = {plan.epoch} iterations"]
    for key, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            lines.append(f"{key}: {_printed(key, one)}")
    return "\n".join(lines) + "\n"


def _printed(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if key in _ENUMS else quoted(value)
    return str(value) if isinstance(value, int) else plain(value)


def _max_iter(given: Mapping[str, Any], plan: Plan) -> int:
    if given.get("max_iter") is not None and given.get("epochs") is not None:
        raise UsageError("solver.epochs and solver.max_iter are both given", "give one of the two")
    if "max_iter" in given:
        max_iter: int = given["max_iter"]
        plan.notes.append(f"max_iter {max_iter} = {max_iter / plan.epoch:.3g} epochs")
        return max_iter
    epochs = given.get("epochs", EPOCHS)
    max_iter = max(1, round(float(epochs) * plan.epoch))
    default = "" if "epochs" in given else " (the default)"
    plan.notes.append(f"max_iter {max_iter} = {epochs:g} epochs{default} of {plan.epoch} iterations")
    return max_iter


def _test_fields(plan: Plan, given: Mapping[str, Any], images: int, max_iter: int) -> None:
    batch = given.get("test_batch_size") or choose_test_batch(images, plan.batch_size)
    test_iter = given.get("test_iter") or math.ceil(images / batch)
    plan.test_batch_size = batch
    plan.fields["test_iter"] = test_iter
    plan.fields["test_interval"] = iterations(given.get("test_interval", Epochs(1)), max_iter, plan.epoch)
    if not given.get("test_initialization", True):
        plan.fields["test_initialization"] = False
    if given.get("test_compute_loss", False):
        plan.fields["test_compute_loss"] = True
    seen = test_iter * batch
    what = f"test_iter {test_iter} x batch {batch} "
    if seen == images:
        what += f"= all {images} validation images, each once"
    elif seen > images:
        what += f"> {images} validation images: each test sees {seen - images} of them twice"
    else:
        what += f"< {images} validation images: each test sees others"
    plan.notes.append(what)


def choose_test_batch(images: int, batch: int) -> int:
    """The batch size, up to twice the training one, whose whole batches overshoot `images` least.

    Testing keeps no gradients, so twice the training batch costs no more memory. Among equals the
    largest wins; below a quarter of the training batch is not looked for.
    """
    sizes = range(max(1, batch // 4), 2 * batch + 1)
    if images <= sizes[-1]:
        return images
    return min(sizes, key=lambda size: (-images % size, -size))


def _rule_fields(given: Mapping[str, Any], plan: Plan, max_iter: int) -> dict[str, Any]:
    """Learning rate, its policy, the update rule and the regularization."""
    kind, policy = given.get("type", "SGD"), given.get("lr_policy", "step")
    out: dict[str, Any] = {"type": kind}
    rule = {key: given.get(key, usual) for key, usual in SOLVER_TYPES[kind].items()}
    out["base_lr"] = float(rule.pop("base_lr"))
    out["lr_policy"] = policy
    for key, usual in LR_POLICIES[policy].items():
        value = given.get(key, usual(max_iter) if callable(usual) else usual)
        if key == "stepsize":
            out[key] = iterations(value, max_iter, plan.epoch)
        elif key == "stepvalue":
            out[key] = sorted(iterations(one, max_iter, plan.epoch) for one in value)
        else:
            out[key] = float(value)
    out |= {key: float(value) for key, value in rule.items()}
    out["weight_decay"] = float(given.get("weight_decay", 0.0005))
    if given.get("regularization_type", "L2") != "L2":
        out["regularization_type"] = given["regularization_type"]
    unused = [key for key in ("stepvalue", "stepsize") if given.get(key) and key not in LR_POLICIES[policy]]
    plan.notes += [f"{key} is not used by lr_policy {policy}" for key in unused]
    return out
