"""The lint rules as a table, and what walks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from caffekit.netgen import net_rules, solver_rules
from caffekit.netgen.subject import Problem, Subject

CAFFE = "BVLC Caffe 1.0"


class Rule(NamedTuple):
    """check: finds problems; severity: of those that name none; source: where the rule comes from."""

    check: Callable[[Subject], Iterator[Problem]]
    severity: str
    source: str


RULES = {
    "lr-policy-fields": Rule(solver_rules.lr_policy_fields, "warning", f"{CAFFE} sgd_solver.cpp"),
    "num-output": Rule(net_rules.num_output, "error", f"{CAFFE} softmax_loss_layer.cpp"),
    "pooling-window": Rule(net_rules.pooling_window, "error", f"{CAFFE} pooling_layer.cpp"),
    "shapes": Rule(net_rules.shapes, "error", f"{CAFFE} layer shapes"),
    "solver-fields": Rule(solver_rules.fields_together, "error", f"{CAFFE} solver.cpp"),
    "solver-words": Rule(solver_rules.solver_words, "error", f"{CAFFE} sgd_solver.cpp"),
    "test-coverage": Rule(solver_rules.coverage_of_tests, "warning", f"{CAFFE} solver.cpp"),
    "zero-filler": Rule(net_rules.zero_filler, "warning", f"{CAFFE} caffe.proto FillerParameter"),
}


def lint(subject: Subject, lines: dict[str, int], solver_lines: dict[str, int]) -> list[dict[str, Any]]:
    """Every finding as {rule, severity, layer, line, message, fix, source}, in the order of the file.

    `lines` has the line of each layer in the net's text, `solver_lines` of each field in the solver's;
    a finding with a "key" is about the solver.
    """
    findings = []
    for name, rule in RULES.items():
        for problem in rule.check(subject):
            line = solver_lines.get(problem.key) if problem.key else lines.get(problem.layer)
            finding = {
                "rule": name,
                "severity": problem.severity or rule.severity,
                "layer": problem.layer,
                "line": line or 1,
                "message": problem.message,
                "fix": problem.fix,
                "source": rule.source,
            }
            findings.append(finding | ({"key": problem.key} if problem.key else {}))
    return sorted(findings, key=lambda one: ("key" in one, one["line"]))
