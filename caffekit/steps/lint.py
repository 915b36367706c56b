"""`lint`: what is wrong with a net or solver before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from caffekit.config.problems import near
from caffekit.errors import FINDINGS, UsageError
from caffekit.netgen.lint import SEVERITIES
from caffekit.netgen.lint import lint as findings_of
from caffekit.netgen.rules.targets import TARGETS
from caffekit.report import Report
from caffekit.steps.lint_facts import Facts, NetFile, SolverFile, look_at_data, read_files, subject_of
from caffekit.steps.lint_text import lines_of

NO_FACTS = Facts()
__all__ = ["Facts", "lint"]

Finding = dict[str, Any]


def lint(
    files: Sequence[Path],
    solver: Path | None = None,
    db: Path | None = None,
    *,
    target: str = "",
    facts: Facts = NO_FACTS,
) -> Report:
    """Findings of every rule over `files` (nets, or solvers with the nets that they name) and `solver`.

    `db`: an LMDB whose classes and image size count; databases that a net names are looked at where they
    exist; `facts` are told instead. A net that is fed is held against the one that learns, if there is one.
    Exit code 3 if there is an error or a warning. UsageError, FormatError, DataError.
    """
    if not files and not solver:
        raise UsageError("nothing to look at", "give a prototxt, or --solver")
    if target and target not in TARGETS:
        raise UsageError(f"no target {target!r}{near(target, TARGETS)}", f"there are: {', '.join(TARGETS)}")
    nets, solvers = read_files(files, solver)
    learning = [each for each in nets if each.learns]
    findings: list[Finding] = []
    for net, its_solver in _pairs(nets, solvers):
        trained = learning[0] if len(learning) == 1 and net is not None and not net.learns else None
        subject = subject_of(net, its_solver, trained, target)
        look_at_data(subject, db, facts)
        for one in findings_of(subject, net.lines if net else {}, its_solver.lines if its_solver else {}):
            about_solver = one.pop("key", "") and its_solver is not None
            place = its_solver.path if about_solver and its_solver else net.path if net else None
            findings.append(one | {"file": str(place or (its_solver.path if its_solver else ""))})
    return _report(_once(findings), [*files, *([solver] if solver else [])])


def _pairs(nets: list[NetFile], solvers: list[SolverFile]) -> list[tuple[NetFile | None, SolverFile | None]]:
    """Each net with the one solver; of several solvers each with the net that it names."""
    if len(solvers) == 1 and nets:
        return [(net, solvers[0]) for net in nets]
    alone: list[tuple[NetFile | None, SolverFile | None]] = [(net, None) for net in nets]
    return alone + [(each.its_net(), each) for each in solvers]


def _once(findings: list[Finding]) -> list[Finding]:
    """Without those of the solver that came with each net."""
    seen = set()
    out = []
    for one in findings:
        mark = (one["file"], one["line"], one["rule"], one["message"])
        if mark not in seen:
            seen.add(mark)
            out.append(one)
    return sorted(out, key=lambda one: SEVERITIES.index(one["severity"]))


def _report(findings: list[Finding], files: list[Path]) -> Report:
    counts = Counter(one["severity"] for one in findings)
    bad = counts["error"] + counts["warning"]
    return Report("lint", {"findings": findings}, lines_of(findings, files), exit_code=FINDINGS if bad else 0)
