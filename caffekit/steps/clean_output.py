"""The files that `clean` writes."""

from __future__ import annotations

import csv
import io
import os
import shutil
from pathlib import Path

from caffekit.checks.links import components
from caffekit.checks.subject import Finding, Subject
from caffekit.config.schema import CleanSettings
from caffekit.config.values import Percent
from caffekit.errors import DataError, os_errors
from caffekit.formats.atomic import write_text
from caffekit.formats.image_list import ImageList, Item, relative_root, write_labels, write_list
from caffekit.report import Report, dumps
from caffekit.reports.clean import write_clean_report
from caffekit.steps.clean_labels import review_rows
from caffekit.steps.copies import IMAGES, inside

REVIEW = ["path", "label", "verdict", "reason", "score", "detail", "likely"]

Reasons = dict[int, tuple[str, Finding]]


def write_result(
    folder: Path, out: Path, images: ImageList, subject: Subject, reasons: Reasons, report: Report, mode: str
) -> None:
    """Write all into `folder`, which will become `out`. mode: list, copy or link the kept images."""
    kept = [item for i, item in enumerate(images.items) if i not in reasons]
    report.summary["source"] = relative_root(images.root, out)
    report.summary["root"] = report.summary["source"] if mode == "list" else IMAGES
    if mode != "list":
        kept = [place(images.file(item), folder / IMAGES, item, mode) for item in kept]
    write_list(folder / "clean.txt", kept)
    if images.classes:
        write_labels(folder / "labels.txt", images.classes)
    rows = [
        [subject.path(i), subject.labels[i], reason, _number(finding.score), finding.detail]
        for i, (reason, finding) in reasons.items()
    ]
    write_text(folder / "rejected.csv", as_csv(["path", "label", "reason", "score", "detail"], rows))
    write_text(
        folder / "review.csv",
        as_csv(REVIEW, review_rows(subject, dict(zip(reasons, rows, strict=True)))),
    )
    _write_scores(folder / "scores.csv", subject, reasons)
    write_text(folder / "groups.csv", as_csv(["path", "group"], _groups(subject, reasons)))
    write_clean_report(folder / "report.html", images.root, subject, reasons, report.summary)
    write_text(folder / "summary.json", dumps(report.summary, indent=2) + "\n")


def _write_scores(path: Path, subject: Subject, reasons: Reasons) -> None:
    """What was measured of every image with pixels, of kept ones, too: how near is each to a limit?"""
    names = {"sharpness": "sharpness", "dark": "grey_99", "bright": "grey_1", "spread": "deviation"}
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "kept", "width", "height", *names.values()])
        for i in subject.readable.tolist():
            row = subject.rows.columns[i]
            scores = [_number(float(row[name])) for name in names]
            writer.writerow([subject.path(i), int(i not in reasons), row["width"], row["height"], *scores])


def _groups(subject: Subject, reasons: Reasons) -> list[list[object]]:
    """Kept images that hang together with others, for `split --group-by duplicates`."""
    if "links" not in subject.__dict__:  # no check asked for them
        return []
    groups = ([i for i in group if i < subject.count] for group in components(subject.links))
    wanted = [group for group in groups if len(group) > 1 and any(i not in reasons for i in group)]
    return [[subject.path(i), number] for number, group in enumerate(wanted) for i in group]


def _number(score: float) -> str:
    return f"{score:.4f}".rstrip("0").rstrip(".")


def as_csv(header: list[str], rows: list[list[object]]) -> str:
    """The text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def place(source: Path, images: Path, item: Item, mode: str) -> Item:
    """Copy or hard-link (where the file system can) a kept image; its place in the new list."""
    path = inside(item.path)
    target = images / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with os_errors("reading", source):
        if mode == "link":
            try:
                os.link(source.resolve(), target)
                return Item(path, item.label)
            except OSError:
                pass
        shutil.copyfile(source, target)
    return Item(path, item.label)


def judge(report: Report, settings: CleanSettings) -> None:
    """Fail the report when nothing is left, or less than was allowed."""
    total, kept = report.summary["total"], report.summary["kept"]
    limit = settings.max_rejected
    allowed = total if limit is None else limit.of(total) if isinstance(limit, Percent) else limit
    if not kept:
        most = max(report.summary["rejected"], key=report.summary["rejected"].get, default="none")
        hint = f"most are {most}: see rejected.csv" + (
            "; --min-size N allows smaller ones" if most == "too-small" else ""
        )
        report.fail(DataError(f"all {total} images are rejected", hint))
    elif total - kept > allowed:
        hint = "see report.html; --max-rejected allows more"
        report.fail(
            DataError(
                f"{total - kept} of {total} images are rejected, more than --max-rejected {limit}", hint
            )
        )
