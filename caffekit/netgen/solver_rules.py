"""Lint rules about the solver: words that Caffe checks late, tests and steps that miss."""

from __future__ import annotations

from collections.abc import Iterator

from caffekit.config.problems import near
from caffekit.netgen.solver import LR_POLICIES, SOLVER_TYPES
from caffekit.netgen.structure import data_layers, phases
from caffekit.netgen.subject import Problem, Subject


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
            yield Problem(f"unknown {key} '{given}'", fix, key=key)


def lr_policy_fields(subject: Subject) -> Iterator[Problem]:
    """A policy without the fields that it reads, or whose first step never comes."""
    solver = subject.solver
    if solver is None or solver.lr_policy not in LR_POLICIES:
        return
    for key in LR_POLICIES[solver.lr_policy]:
        if key == "stepvalue" and not solver.stepvalue:
            yield Problem(
                "lr_policy multistep without a stepvalue never drops the rate",
                "add stepvalue",
                key="lr_policy",
            )
        elif key not in ("stepvalue", "power") and not solver.HasField(key):
            yield Problem(f"lr_policy {solver.lr_policy} needs {key}", f"add {key}", key="lr_policy")
    first = min(solver.stepvalue, default=0) if solver.lr_policy == "multistep" else solver.stepsize
    if solver.lr_policy in ("step", "multistep") and first >= solver.max_iter > 0:
        key = "stepsize" if solver.lr_policy == "step" else "stepvalue"
        message = f"the learning rate never drops: {key} {first} is not below max_iter {solver.max_iter}"
        yield Problem(message, f"{key} of about {max(1, solver.max_iter // 3)}", key=key)


def coverage_of_tests(subject: Subject) -> Iterator[Problem]:
    """test_iter x batch_size should be the number of test images: Caffe goes on from where it stopped."""
    solver, images = subject.solver, subject.images.get("TEST")
    if solver is None or not images or not solver.test_iter:
        return
    for layer in (each for each in data_layers(subject.net) if "TEST" in phases(each)):
        batch = layer.data_param.batch_size
        seen = solver.test_iter[0] * batch
        enough = -(-images // batch)
        if solver.test_iter[0] != enough:
            what = f"test_iter {solver.test_iter[0]} x batch_size {batch} = {seen} for {images} test images"
            yield Problem(what, f"test_iter: {enough}", layer.name, "test_iter")


def fields_together(subject: Subject) -> Iterator[Problem]:
    """Test nets need test_interval, and test_iter needs somebody to test."""
    solver = subject.solver
    if solver is None:
        return
    if solver.test_iter and solver.test_interval <= 0:
        yield Problem("test_iter without a test_interval above 0", "add test_interval", key="test_iter")
    if solver.type in ("AdaGrad", "RMSProp") and solver.momentum:
        yield Problem(f"{solver.type} takes no momentum", "remove momentum", key="momentum")
