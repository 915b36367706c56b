"""`clean`: which images of a set to train on, and why not on the others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from caffekit.checks import ALWAYS, CHECKS, decide
from caffekit.checks.measure import Row, measure
from caffekit.checks.subject import Subject
from caffekit.config.schema import CleanSettings
from caffekit.errors import UsageError
from caffekit.formats.atomic import atomic_dir, refuse_existing
from caffekit.formats.image_list import ImageList, read_source
from caffekit.formats.images import silent_decoders
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.clean_output import Reasons, judge, write_result
from caffekit.steps.processes import CRASHED, process_map

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
    """Write `out`/clean.txt, rejected.csv, review.csv, groups.csv, labels.txt, report.html, summary.json.

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
    subject = _subject(images, benchmark, settings, options)
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


def _subject(
    images: ImageList, benchmark: Sequence[ImageList], settings: CleanSettings, options: Options
) -> Subject:
    """Measure every image of the set and of the benchmark sets."""
    paths = [str(images.file(item)) for item in images.items]
    bench_paths = [str(each.file(item)) for each in benchmark for item in each.items]
    everything = [(os.path.abspath(path), i >= len(paths)) for i, path in enumerate([*paths, *bench_paths])]
    measured = list(options.progress(_rows(everything, options), len(everything), "clean"))
    return Subject(
        rows=measured[: len(paths)],
        paths=[item.path for item in images.items],
        labels=np.array([item.label for item in images.items], np.int64),
        bench=measured[len(paths) :],
        bench_paths=bench_paths,
        classes=images.classes,
        near_distance=settings.near_distance,
        min_size=settings.min_size,
        limits={str(name): limit for name, limit in settings.limits.items()},
    )


def _rows(everything: Sequence[tuple[str, bool]], options: Options) -> Iterator[Row]:
    """The row of each (path, whether it is a benchmark image), from child processes or a cluster."""
    if not options.scheduler:
        return process_map(_measure, everything, options.jobs, _crashed)
    from caffekit.steps.cluster import cluster_map

    return cluster_map(_measure_there, everything, options.scheduler, _crashed)


def _measure(image: tuple[str, bool]) -> Row:
    with silent_decoders():
        return _measure_there(image)


def _measure_there(image: tuple[str, bool]) -> Row:
    """In a worker of a cluster, whose threads share stderr, the decoders may have their say."""
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores
    return measure(*image)


def _crashed(image: tuple[str, bool]) -> Row:
    return Row("undecodable", CRASHED)


def _fill(report: Report, subject: Subject, reasons: Reasons, names: Sequence[str]) -> None:
    """Counts, lines and warnings."""
    total = len(subject.rows)
    counts = Counter(reason for reason, _ in reasons.values())
    kept = Counter(int(subject.labels[i]) for i in range(total) if i not in reasons)
    classes = range(len(subject.classes)) if subject.classes else sorted(set(subject.labels.tolist()))
    report.summary = {
        "total": total,
        "kept": total - len(reasons),
        "rejected": {name: counts[name] for name in CHECKS if counts[name]},
        "classes": {subject.class_name(label): kept[label] for label in classes},
        "benchmark": len(subject.bench),
        "checks": list(names),
        "traits": dict(sorted(_traits(subject, reasons).items())),
        "flawed": sum(bool(row.flaws) for i, row in enumerate(subject.rows) if i not in reasons),
        **subject.notes,
    }
    if any(name.endswith("duplicate") or name == "conflicting-label" for name in names):
        report.summary["near_threshold"] = subject.links.threshold
    report.lines = [f"kept {total - len(reasons)} of {total} images, rejected {len(reasons)}"]
    report.lines += [f"  {counts[name]:5d} {name}" for name in CHECKS if counts[name]]
    if report.summary["traits"]:
        told = ", ".join(f"{count} {name}" for name, count in report.summary["traits"].items())
        report.lines.append(f"  among the kept: {told}")
    report.warnings += _warnings(subject, reasons, counts, kept)


def _traits(subject: Subject, reasons: Reasons) -> Counter[str]:
    """How many kept images decoding turns, narrows, …: a training set may be meant otherwise."""
    return Counter(trait for i, row in enumerate(subject.rows) if i not in reasons for trait in row.traits)


def _warnings(subject: Subject, reasons: Reasons, counts: Counter[str], kept: Counter[int]) -> list[str]:
    warnings = []
    unread = [path for path, row in zip(subject.bench_paths, subject.bench, strict=True) if row.reason]
    if unread:
        warnings.append(
            f"{len(unread)} benchmark images cannot be read, so none was compared with: {_few(unread)}"
        )
    misnamed = [subject.path(i) for i, row in enumerate(subject.rows) if i not in reasons and row.flaws]
    if misnamed:
        warnings.append(f"{len(misnamed)} kept images are usable but odd (see report.html): {_few(misnamed)}")
    gone = [subject.class_name(int(label)) for label in np.unique(subject.labels) if not kept[int(label)]]
    if gone:
        warnings.append(f"no image is left of {len(gone)} classes: {_few(gone)}")
    if counts["near-duplicate"] > MANY_DUPLICATES * len(subject.rows):
        warnings.append(
            f"{counts['near-duplicate']} images are near duplicates: look at them in report.html first; "
            "--near-distance or --skip near-duplicate keeps them"
        )
    if subject.notes.get("label_agreement", 1) < 0.9:
        warnings.append(
            f"labels were not checked: only {subject.notes['label_agreement']:.0%} of the images look like"
            " their own class, too few to call any label wrong"
        )
    return warnings


def _few(names: Sequence[str]) -> str:
    more = f" … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
