"""`clean`: which images of a set to train on, and why not on the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from caffekit.checks import ALWAYS, CHECKS, decide
from caffekit.checks.subject import Subject
from caffekit.config.schema import CleanSettings
from caffekit.errors import UsageError, os_errors
from caffekit.formats.atomic import atomic_dir, refuse_existing
from caffekit.formats.image_list import read_source
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.clean_labels import appoint, features_of, label_lines, label_warnings
from caffekit.steps.clean_measure import measured
from caffekit.steps.clean_output import Reasons, judge, write_result

MANY_DUPLICATES = 0.2
SHOWN = 5


def clean(
    source: Path,
    out: Path,
    settings: CleanSettings = CleanSettings(),
    options: Options = Options(),
    *,
    root: Path | None = None,
) -> Report:
    """Write `out`/clean.txt, labels.txt, CSV files (rejected, review, scores, groups), report and summary.

    Every image of `source` is kept or rejected for one reason. The report has failed (exit 4), with all of it
    written, when nothing is left or more than settings.max_rejected is rejected.
    """
    names = chosen_checks(settings)
    _refuse_inside(out, source)
    refuse_existing(out, options.overwrite)
    images = read_source(source, root)
    benchmark = [read_source(path) for path in settings.benchmark]
    report = Report("clean")
    if options.dry_run:
        report.lines = [f"would check {len(images.items)} images for {', '.join(names)}"]
        report.summary = {"total": len(images.items), "checks": names}
        return report
    features = features_of(images, settings)
    subject = measured(images, benchmark, settings, options, _folder_of(out))
    appoint(subject, features, settings, options)
    reasons = decide(subject, names)
    _fill(report, subject, reasons, names)
    judge(report, settings)
    report.lines[0] += f" → {out}"
    if not report.error:
        report.next = f"caffekit split {out / 'clean.txt'} -o lists --val 0.1 --group-by duplicates"
    with atomic_dir(out, options.overwrite) as temporary:
        write_result(temporary, out, images, subject, reasons, report, settings.mode)
    return report


def chosen_checks(settings: CleanSettings) -> list[str]:
    """The names of the checks to run, in the order of CHECKS. UsageError for unknown ones."""
    for name in [*(settings.checks or []), *settings.skip]:
        if name not in CHECKS:
            raise UsageError(f"unknown check {name!r}", f"the checks are {', '.join(CHECKS)}")
    fixed = [name for name in settings.skip if name in ALWAYS]
    if fixed:
        raise UsageError(f"{fixed[0]} cannot be skipped", "a file without pixels cannot be trained on")
    wanted = set(CHECKS if settings.checks is None else settings.checks) - set(settings.skip)
    if not settings.labels:
        wanted.discard("suspect-label")
    return [name for name in CHECKS if name in wanted or name in ALWAYS]


def _refuse_inside(out: Path, source: Path) -> None:
    """UsageError when `out` would be a class folder of `source` from the next run on."""
    if not source.is_dir() or source.resolve() not in out.resolve().parents:
        return
    if not out.resolve().relative_to(source.resolve()).parts[0].startswith("."):
        raise UsageError(f"{out} is inside {source}", "each folder there is a class: choose another output")


def _folder_of(out: Path) -> Path:
    with os_errors("writing", out):
        out.parent.mkdir(parents=True, exist_ok=True)
    return out.parent


def _fill(report: Report, subject: Subject, reasons: Reasons, names: Sequence[str]) -> None:
    """Counts, lines and warnings."""
    total = subject.count
    counts = Counter(reason for reason, _ in reasons.values())
    kept = Counter(int(subject.labels[i]) for i in range(total) if i not in reasons)
    classes = range(len(subject.classes)) if subject.classes else sorted(set(subject.labels.tolist()))
    report.summary = {
        "total": total,
        "kept": total - len(reasons),
        "rejected": {name: counts[name] for name in CHECKS if counts[name]},
        "classes": {subject.class_name(label): kept[label] for label in classes},
        "benchmark": len(subject.bench_paths),
        "checks": list(names),
        "traits": dict(sorted(_traits(subject, reasons).items())),
        "flawed": len(_flawed(subject, reasons)),
        "limits": {name: round(limit, 4) for name, limit in subject.used.items()},
        **subject.notes,
    }
    if any(name.endswith("duplicate") or name == "conflicting-label" for name in names):
        report.summary["near_threshold"] = subject.links.threshold
    report.lines = [f"kept {total - len(reasons)} of {total} images, rejected {len(reasons)}"]
    report.lines += [f"  {counts[name]:5d} {name}" for name in CHECKS if counts[name]]
    report.lines += label_lines(subject)
    if report.summary["traits"]:
        told = ", ".join(f"{count} {name}" for name, count in report.summary["traits"].items())
        report.lines.append(f"  among the kept: {told}")
    report.warnings += _warnings(subject, reasons, counts, kept)


def _traits(subject: Subject, reasons: Reasons) -> Counter[str]:
    """How many kept images decoding turns, narrows, …: a training set may be meant otherwise."""
    kept = np.delete(subject.rows.columns["traits"][: subject.count], list(reasons))
    counts: Counter[str] = Counter()
    for traits, count in zip(*np.unique(kept, return_counts=True), strict=True):
        counts.update(dict.fromkeys(subject.rows.names_of(traits), int(count)))
    return counts


def _flawed(subject: Subject, reasons: Reasons) -> list[int]:
    """Kept images that are odd."""
    found = np.flatnonzero(subject.rows.columns["flaws"][: subject.count]).tolist()
    return [i for i in found if i not in reasons]


def _warnings(subject: Subject, reasons: Reasons, counts: Counter[str], kept: Counter[int]) -> list[str]:
    warnings = []
    bad = np.flatnonzero(subject.rows.columns["reason"][subject.count :]).tolist()
    unread = [subject.bench_paths[i] for i in bad]
    if unread:
        warnings.append(
            f"{len(unread)} benchmark images cannot be read, so none was compared with: {_few(unread)}"
        )
    if "links" in subject.__dict__ and subject.links.changed_within < subject.near_distance:
        warnings.append(
            "images of this set share hashes by the thousand: crops, frames and turns of benchmark images "
            f"were looked for within {subject.links.changed_within} bits only, not {subject.near_distance}"
        )
    misnamed = [subject.path(i) for i in _flawed(subject, reasons)]
    if misnamed:
        warnings.append(f"{len(misnamed)} kept images are usable but odd (see report.html): {_few(misnamed)}")
    gone = [subject.class_name(int(label)) for label in np.unique(subject.labels) if not kept[int(label)]]
    if gone:
        warnings.append(f"no image is left of {len(gone)} classes: {_few(gone)}")
    if counts["near-duplicate"] > MANY_DUPLICATES * subject.count:
        warnings.append(
            f"{counts['near-duplicate']} images are near duplicates: look at them in report.html first; "
            "--near-distance or --skip near-duplicate keeps them"
        )
    return warnings + label_warnings(subject)


def _few(names: Sequence[str]) -> str:
    more = f" … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
