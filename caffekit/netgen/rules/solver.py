"""Lint rules about the solver: words that Caffe checks late, tests and steps that miss."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffekit.config.problems import near
from caffekit.netgen.rules.rule import CAFFE, Rule
from caffekit.netgen.solver import LR_POLICIES, SOLVER_TYPES
from caffekit.netgen.structure import data_layers, phases
from caffekit.netgen.subject import Problem, Subject

SOLVER = f"{CAFFE} solver.cpp"
SGD = f"{CAFFE} sgd_solver.cpp"
ADAPTIVE = ("Adam", "RMSProp", "AdaGrad")


def solver_words(subject: Subject) -> Iterator[Problem]:
    """type, lr_policy and regularization_type are free texts in caffe.proto."""
    solver = subject.solver
    if solver is None:
        return
    known = (("type", SOLVER_TYPES), ("lr_policy", LR_POLICIES), ("regularization_type", ("L1", "L2")))
    for key, words in known:
        given = getattr(solver, key)
        if given not in words:
            hint = near(given, words).removeprefix("; did you mean ").rstrip("?")
            fix = f'{key}: "{hint}"' if hint else f"one of {', '.join(words)}"
            text = f"unknown {key} '{given}'" if solver.HasField(key) else f"{key} is missing"
            yield Problem(text, fix, key=key)


def fields_together(subject: Subject) -> Iterator[Problem]:
    """Test nets need test_interval, and test_iter needs somebody to test."""
    solver = subject.solver
    if solver is None:
        return
    if solver.test_iter and solver.test_interval <= 0:
        yield Problem("test_iter without a test_interval above 0", "add test_interval", key="test_iter")
    if solver.type in ("AdaGrad", "RMSProp") and solver.momentum:
        yield Problem(f"{solver.type} takes no momentum", "remove momentum", key="momentum")
    nets = [key for key in ("net", "net_param", "train_net", "train_net_param") if solver.HasField(key)]
    if len(nets) != 1:
        text = f"{' and '.join(nets)} are given" if nets else "it names no net"
        yield Problem(
            text, "one of net, net_param, train_net, train_net_param", key=nets[-1] if nets else "net"
        )
    if solver.average_loss < 1 or solver.iter_size < 1:
        key = "average_loss" if solver.average_loss < 1 else "iter_size"
        yield Problem(f"{key} must be at least 1", f"{key}: 1", key=key)


def max_iter(subject: Subject) -> Iterator[Problem]:
    """How long it trains."""
    solver = subject.solver
    if solver is None:
        return
    if solver.max_iter <= 0:
        text = "max_iter is missing: caffe train ends at once (only a script that calls step() goes on)"
        yield Problem(text, "max_iter: 10000", key="max_iter")
        return
    images = subject.training_images()
    for layer in data_layers(subject.net):
        seen = solver.max_iter * solver.iter_size * layer.data_param.batch_size
        if phases(layer) == ["TRAIN"] and images and 0 < seen < images:
            batch = layer.data_param.batch_size
            text = f"max_iter {solver.max_iter} x batch_size {batch} sees {seen} of {images} images"
            yield Problem(text, "a larger max_iter", key="max_iter", severity="warning")


def rates(subject: Subject) -> Iterator[Problem]:
    """Numbers that make every update nothing, or too much."""
    solver = subject.solver
    if solver is None:
        return
    if solver.base_lr <= 0:
        text = (
            "base_lr is missing: nothing is learned"
            if not solver.HasField("base_lr")
            else f"base_lr {solver.base_lr:g}"
        )
        yield Problem(text, "base_lr: 0.01", key="base_lr", severity="error")
    if not 0 <= solver.momentum < 1:
        text = f"momentum {solver.momentum:g}: the updates grow without end"
        yield Problem(text, "momentum: 0.9", key="momentum", severity="error")
    if solver.weight_decay < 0:
        text = f"weight_decay {solver.weight_decay:g} makes weights grow"
        yield Problem(text, "weight_decay: 0.0005", key="weight_decay", severity="error")
    elif solver.weight_decay > 0.1:
        text = f"weight_decay {solver.weight_decay:g} shrinks all weights to 0"
        yield Problem(text, "weight_decay: 0.0005", key="weight_decay")
    if solver.type in ADAPTIVE and solver.base_lr >= 0.1:
        text = f"base_lr {solver.base_lr:g} with {solver.type}, whose every step is about that large"
        yield Problem(text, "base_lr: 0.001", key="base_lr")
    if solver.type == "AdaDelta" and 0 < solver.base_lr < 0.1:
        text = f"base_lr {solver.base_lr:g} with AdaDelta, which finds its own rate"
        yield Problem(text, "base_lr: 1", key="base_lr")
    if solver.clip_gradients == 0:
        yield Problem("clip_gradients 0 lets no gradient through", "leave it out", key="clip_gradients")


def mode(subject: Subject) -> Iterator[Problem]:
    """solver_mode GPU is the default."""
    solver = subject.solver
    if solver is not None and not solver.HasField("solver_mode"):
        yield Problem("no solver_mode: GPU is the default, a build without GPU stops", key="solver_mode")


def snapshots(subject: Subject) -> Iterator[Problem]:
    """Where and when the model is kept."""
    solver = subject.solver
    if solver is None:
        return
    if solver.snapshot <= 0 and not solver.snapshot_after_train:
        yield Problem("snapshot 0 and snapshot_after_train false: nothing is ever kept", key="snapshot")
    elif solver.snapshot > solver.max_iter > 0:
        text = f"snapshot {solver.snapshot} is beyond max_iter {solver.max_iter}: only the end is kept"
        yield Problem(text, f"snapshot: {max(1, solver.max_iter // 5)}", key="snapshot", severity="note")
    folder = Path(solver.snapshot_prefix)
    folder = folder if folder.is_dir() else folder.parent
    known = subject.at_home or (folder.is_absolute() and folder.parts[2:] and folder.parent.is_dir())
    if not known or not solver.snapshot_prefix:
        return  # written for another machine
    if not folder.is_dir():
        yield Problem(
            f"no folder {folder} for snapshot_prefix",
            f"mkdir -p {folder}",
            key="snapshot_prefix",
            severity="error",
        )
    elif not os.access(folder, os.W_OK):
        yield Problem(
            f"{folder} cannot be written", "another folder", key="snapshot_prefix", severity="error"
        )


def coverage_of_tests(subject: Subject) -> Iterator[Problem]:
    """test_iter x batch_size should be the number of test images: Caffe goes on from where it stopped."""
    solver, images = subject.solver, subject.images.get("TEST")
    if solver is None or not images or not solver.test_iter:
        return
    for layer in (each for each in data_layers(subject.net) if "TEST" in phases(each)):
        batch = layer.data_param.batch_size
        enough = -(-images // batch) if batch else 0
        if batch and solver.test_iter[0] != enough:
            seen = solver.test_iter[0] * batch
            what = f"test_iter {solver.test_iter[0]} x batch_size {batch} = {seen} for {images} test images"
            yield Problem(what, f"test_iter: {enough}", layer.name, "test_iter")


def tests(subject: Subject) -> Iterator[Problem]:
    """A test net that is never run, or only before training."""
    solver = subject.solver
    if solver is None:
        return
    tested = [layer for layer in data_layers(subject.net) if phases(layer) == ["TEST"]]
    if tested and not solver.test_iter:
        text = f"no test_iter: {tested[0].name} of phase TEST is never read"
        yield Problem(text, "test_iter and test_interval", key="test_interval")
    elif solver.test_iter and solver.test_interval > solver.max_iter > 0:
        text = f"test_interval {solver.test_interval} is beyond max_iter {solver.max_iter}"
        fix = f"test_interval: {max(1, solver.max_iter // 10)}"
        yield Problem(text, fix, key="test_interval", severity="note")
    if solver.test_iter and subject.net.layer and not subject.is_deploy() and subject.is_trained():
        reads = [layer for layer in subject.net.layer if not layer.bottom and "TEST" in phases(layer)]
        if not reads:
            text = "test_iter, but no layer reads data in phase TEST"
            yield Problem(
                text, "a data layer with include { phase: TEST }", key="test_iter", severity="error"
            )


def _given(solver: Any, key: str) -> bool:
    return bool(solver.stepvalue) if key == "stepvalue" else bool(solver.HasField(key))


def lr_policy_fields(subject: Subject) -> Iterator[Problem]:
    """A policy without the fields that it reads, or whose first step never comes."""
    solver = subject.solver
    if solver is None or solver.lr_policy not in LR_POLICIES:
        return
    policy = solver.lr_policy
    for key in LR_POLICIES[policy]:
        if key != "power" and not _given(solver, key):
            what = (
                "multistep without a stepvalue never drops the rate"
                if key == "stepvalue"
                else f"{policy} needs {key}"
            )
            fatal = "error" if key == "stepsize" else ""
            yield Problem(f"lr_policy {what}", f"add {key}", key="lr_policy", severity=fatal)
    if policy == "poly" and solver.max_iter <= 0:
        text = "lr_policy poly without max_iter divides by 0"
        yield Problem(text, "max_iter", key="lr_policy", severity="error")
    if policy in ("step", "multistep") and solver.HasField("gamma") and solver.gamma >= 1:
        what = "does not lower the rate" if solver.gamma == 1 else "raises the rate"
        severity = "note" if solver.gamma == 1 else ""
        yield Problem(f"gamma {solver.gamma:g} {what}", "gamma: 0.1", key="gamma", severity=severity)
    elif policy == "exp" and solver.gamma > 1 and solver.HasField("gamma"):
        yield Problem(f"gamma {solver.gamma:g} raises the rate each iteration", "gamma below 1", key="gamma")


def steps(subject: Subject) -> Iterator[Problem]:
    """Steps after the end, or out of order."""
    solver = subject.solver
    if solver is None or solver.max_iter <= 0:
        return
    if solver.lr_policy == "step" and solver.stepsize >= solver.max_iter:
        step, last = solver.stepsize, solver.max_iter
        text = f"the learning rate never drops: stepsize {step} is not below max_iter {last}"
        yield Problem(text, f"stepsize: {max(1, last // 3)}", key="stepsize")
    values = list(solver.stepvalue) if solver.lr_policy == "multistep" else []
    late = [value for value in values if value >= solver.max_iter]
    if late:
        severity = "note" if late == [solver.max_iter] and len(values) > 1 else ""
        never = "the learning rate never drops: " if len(late) == len(values) else ""
        text = f"{never}stepvalue {late[0]} is not below max_iter {solver.max_iter}"
        yield Problem(
            text, f"stepvalue of about {max(1, solver.max_iter // 2)}", key="stepvalue", severity=severity
        )
    if values != sorted(values):
        text = f"stepvalues out of order: {', '.join(map(str, values[:5]))}"
        yield Problem(text, "rising stepvalues", key="stepvalue", severity="error")


RULES = {
    "lr-policy-fields": Rule(
        lr_policy_fields, "warning",
        "A policy reads its own fields; without them the rate is wrong, or Caffe stops at the first update.",
        "give the fields that the policy reads", f"{SGD} GetLearningRate"),
    "lr-steps": Rule(
        steps, "warning",
        "A step that never comes leaves the rate high to the end, where it should be low.",
        "steps below max_iter", f"{SGD} GetLearningRate"),
    "max-iter": Rule(
        max_iter, "warning",
        "max_iter is 0 unless it is given.",
        "give max_iter", f"{SOLVER} Solve"),
    "snapshots": Rule(
        snapshots, "warning",
        "Caffe stops at the start if it cannot write there, or only at the end, with the model lost.",
        "a snapshot_prefix in a folder that exists", f"{SOLVER} CheckSnapshotWritePermissions"),
    "solver-fields": Rule(
        fields_together, "error",
        "Caffe stops when it makes the solver.",
        "see the message", f"{SOLVER} InitTestNets"),
    "solver-mode": Rule(
        mode, "note",
        "caffe.proto's default is GPU; pycaffe and caffekit choose the device themselves.",
        "solver_mode: CPU or GPU", f"{CAFFE} caffe.proto SolverParameter"),
    "solver-rates": Rule(
        rates, "warning",
        "With these numbers an update does nothing, or too much.",
        "Caffe's examples: base_lr 0.01, momentum 0.9, weight_decay 0.0005", f"{SGD} ComputeUpdateValue"),
    "solver-words": Rule(
        solver_words, "error",
        "type, lr_policy and regularization_type are free strings in caffe.proto; Caffe stops at the first"
        " update, after a whole test.",
        "correct the word", f"{SGD} GetLearningRate, solver_factory.hpp"),
    "test-coverage": Rule(
        coverage_of_tests, "warning",
        "Caffe goes on reading where the last test stopped: unless a test sees each image once, each test"
        " sees others, and the accuracy wanders.",
        "test_iter = test images / batch_size", f"{SOLVER} Test"),
    "tests": Rule(
        tests, "warning",
        "Without a test while it trains nobody sees that it has begun to overfit.",
        "test_iter and test_interval", f"{SOLVER} InitTestNets"),
}  # fmt: skip
