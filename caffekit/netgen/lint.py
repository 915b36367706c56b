"""What walks the table of lint rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from caffekit.netgen.rules import RULES
from caffekit.netgen.subject import Subject

SEVERITIES = ("error", "warning", "note")

__all__ = ["RULES", "SEVERITIES", "lint"]


def lint(
    subject: Subject, lines: Mapping[str, Sequence[int]], solver_lines: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Every finding as {rule, severity, layer, line, message, why, fix, source}, in the order of the file.

    `lines` has the lines of the layers of each name in the net's text, `solver_lines` that of each field in
    the solver's; a finding with a "key" is about the solver.
    """
    findings = []
    for name, rule in RULES.items():
        for problem in rule.check(subject):
            places = lines.get(problem.layer, ())
            line = places[min(problem.nth, len(places) - 1)] if places else 1
            finding = {
                "rule": name,
                "severity": problem.severity or rule.severity,
                "layer": problem.layer,
                "line": problem.line or (solver_lines.get(problem.key, 1) if problem.key else line),
                "message": problem.message,
                "why": rule.why,
                "fix": problem.fix or rule.fix,
                "source": problem.source or rule.source,
            }
            findings.append(finding | ({"key": problem.key} if problem.key else {}))
    return sorted(findings, key=lambda one: ("key" in one, one["line"]))
