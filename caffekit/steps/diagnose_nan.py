"""`diagnose-nan`: why a training broke, what proves it, and what to change."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from caffekit.diagnosis.causes import diagnose
from caffekit.diagnosis.evidence import Cause, Evidence
from caffekit.diagnosis.gather import gather
from caffekit.diagnosis.remedies import apply
from caffekit.diagnosis.verdict import judge
from caffekit.errors import FINDINGS, DataError, UsageError
from caffekit.formats.atomic import atomic_dir
from caffekit.formats.log_reader import read_log
from caffekit.formats.prototxt import read_net, read_solver, write_prototxt
from caffekit.options import Options
from caffekit.report import Report

WIDTH = 80
FINE = ("healthy", "incomplete")


def diagnose_nan(
    logs: Sequence[Path] = (),
    solver: Path | None = None,
    net: Path | None = None,
    dbs: Sequence[Path] = (),
    weights: Sequence[Path] = (),
    run: Path | None = None,
    replay: bool = False,
    fix: Path | None = None,
    options: Options = Options(),  # noqa: B008
) -> Report:
    """Verdict and causes from logs and files; exit code 3 when something is wrong.

    `run` is a run directory: the log, solver and net of its failed attempt. `fix` is a folder for the
    repaired solver and net. UsageError when nothing is given, DataError for what cannot be read.
    """
    if replay:
        raise UsageError("--replay is not there yet", "leave it out: log, net and data are looked at")
    if run is not None:
        logs, solver, net = _of_run(run, logs, solver, net)
    if not (logs or solver or net or dbs or weights):
        raise UsageError("nothing to look at", "give --log, --run, --solver, --net, --db or --weights")
    evidence = gather(logs, solver, net, dbs, weights)
    causes = diagnose(evidence)
    verdict = evidence.verdict
    bad = verdict.kind not in FINE or bool(causes)
    summary: dict[str, Any] = {
        "verdict": verdict.kind,
        "at_iteration": verdict.at_iteration if verdict.kind not in FINE else None,
        "last_healthy": evidence.last_healthy,
        "reasons": verdict.reasons,
        "causes": [cause.as_json() for cause in causes],
    }
    report = Report("diagnose-nan", summary, _text(evidence, causes), exit_code=FINDINGS if bad else 0)
    if fix is not None:
        _fix(fix, causes, solver, net, options, report)
    return report


def _of_run(
    run: Path, logs: Sequence[Path], solver: Path | None, net: Path | None
) -> tuple[Sequence[Path], Path | None, Path | None]:
    """Log, solver and net of the newest attempt that failed, else of the newest; given ones stand."""
    by_number = lambda path: (len(path.parent.name), path.parent.name)  # noqa: E731
    attempts = sorted(run.glob("attempts/*/caffe.log"), key=by_number)
    if not attempts:
        raise DataError(f"{run}: no attempts/N/caffe.log in it", "give a run directory, such as runs/NAME")
    failed = [path for path in attempts if judge(read_log(path))[0].kind not in FINE]
    log = (failed or attempts)[-1]
    places = [log.parent, run]
    solver = solver or next((p / "solver.prototxt" for p in places if (p / "solver.prototxt").exists()), None)
    net = net or next((p / "train_val.prototxt" for p in places if (p / "train_val.prototxt").exists()), None)
    return logs or [log], solver, net


def _fix(
    out: Path, causes: list[Cause], solver: Path | None, net: Path | None, options: Options, report: Report
) -> None:
    """Write repaired copies of solver and net to `out`, with what was changed as their header."""
    cause = next((cause for cause in causes if "set" in cause.remedy), None)
    if cause is None:
        report.warnings.append("nothing that a change of solver or net would repair: --fix wrote nothing")
        return
    new_solver = read_solver(solver) if solver else None
    new_net = read_net(net) if net else None
    changes = apply(cause.remedy, new_solver, new_net)
    if not changes:
        needed = "--net" if "loss_weight" in cause.remedy["set"] else "--solver"
        raise UsageError(f"--fix needs {needed}: the remedy changes that file", f"give {needed} FILE")
    report.summary["fixed"] = {"dir": str(out), "cause": cause.cause, "changes": changes}
    report.lines += ["", *(f"{'would change' if options.dry_run else 'changed'}: {each}" for each in changes)]
    if options.dry_run:
        return
    header = "".join(f"# changed by caffekit diagnose-nan ({cause.cause}): {each}\n" for each in changes)
    with atomic_dir(out, options.overwrite) as folder:
        for path, message in ((solver, new_solver), (net, new_net)):
            if path:
                write_prototxt(folder / path.name, message, header)
    report.lines.append(f"repaired copies in {out}")


def _text(evidence: Evidence, causes: list[Cause]) -> list[str]:
    """The report for people, 80 columns wide."""
    verdict = evidence.verdict
    lines = [verdict.kind + (f" at iteration {verdict.at_iteration}" if verdict.kind not in FINE else "")]
    for reason in verdict.reasons:
        lines += _wrapped(reason, "  ")
    if evidence.bad:
        last = evidence.last_healthy
        lines.append(f"  last healthy display: {'none' if last is None else f'iteration {last}'}")
    for number, cause in enumerate(causes, 1):
        place = f" in {cause.loss or cause.layer}" if cause.loss or cause.layer else ""
        lines += ["", f"{number}. {cause.cause}{place} ({cause.confidence:.0%} sure)"]
        for each in [*cause.evidence, *cause.records]:
            lines += _wrapped(each, "   - ")
        lines += _wrapped(cause.remedy["do"], "   → ")
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent)) or [indent]
