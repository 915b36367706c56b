"""`lint`: what is wrong with a net or solver before any training."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from caffekit.errors import FINDINGS, DataError, UsageError, os_errors
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import layer_lines, read_net, read_solver
from caffekit.netgen.lint import lint as findings_of
from caffekit.netgen.structure import data_layers, phases
from caffekit.netgen.subject import Subject
from caffekit.report import Report
from caffekit.steps.gen_prototxt import scan_db


def lint(nets: list[Path], solver: Path | None = None, db: Path | None = None) -> Report:
    """Findings of every rule over `nets`, with `solver` and the classes of the LMDB `db` where given.

    Databases that a net names are looked at where they exist. Exit code 3 if anything was found.
    """
    if not nets and not solver:
        raise UsageError("nothing to look at", "give a prototxt, or --solver")
    findings: list[dict[str, Any]] = []
    for path in nets:
        findings += _of_net(path, solver, db)
    if not nets and solver:
        findings += _of_net(None, solver, db)
    findings = [one for i, one in enumerate(findings) if one not in findings[:i]]
    lines = [_line(one) for one in findings]
    what = ", ".join(str(path) for path in [*nets, *([solver] if solver else [])])
    lines.append(f"{len(findings)} finding{'' if len(findings) == 1 else 's'} in {what}")
    bad = any(one["severity"] in ("error", "warning") for one in findings)
    return Report("lint", {"findings": findings}, lines, exit_code=FINDINGS if bad else 0)


def _of_net(path: Path | None, solver: Path | None, db: Path | None) -> list[dict[str, Any]]:
    net = read_net(path) if path else NetParameter()
    subject = Subject(net, read_solver(solver) if solver else None)
    _look_at_data(subject, db)
    lines = layer_lines(_text(path)) if path else {}
    solver_lines = _field_lines(_text(solver)) if solver else {}
    found = findings_of(subject, lines, solver_lines)
    return [one | {"file": str(solver if one.pop("key", "") else path)} for one in found]


def _look_at_data(subject: Subject, db: Path | None) -> None:
    """Fill in shapes, counts and classes from `db`, and from the databases that the net names."""
    if db:
        images, largest, shape = scan_db(db)
        subject.classes = largest + 1
        subject.shapes = {"TRAIN": shape, "TEST": shape}
    for layer in data_layers(subject.net):
        source = Path(layer.data_param.source)
        if not source.exists():
            continue
        try:
            images, _, shape = scan_db(source)
        except DataError:
            continue  # `db check` is the command for that
        for phase in phases(layer):
            subject.images[phase] = images
            subject.shapes[phase] = shape


def _text(path: Path) -> str:
    with os_errors("reading", path):
        return path.read_text(encoding="utf-8", errors="replace")


def _field_lines(text: str) -> dict[str, int]:
    """The first line of each top-level field of a solver."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*(\w+)\s*:", line)
        if match:
            lines.setdefault(match[1], number)
    return lines


def _line(one: dict[str, Any]) -> str:
    layer = f"{one['layer']}: " if one["layer"] else ""
    return (
        f"{one['file']}:{one['line']}: {one['severity']}: {layer}{one['message']} [{one['rule']}]\n"
        f"    fix: {one['fix']}"
    )
