"""`clean --apply`: the result of clean as a person corrected it, in a CSV with labels and verdicts."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from caffekit.checks import ALWAYS, CHECKS
from caffekit.config.schema import CleanSettings
from caffekit.errors import DataError, FormatError, os_errors
from caffekit.formats.atomic import atomic_dir, refuse_existing, write_text
from caffekit.formats.image_list import (
    MAX_LABEL,
    ImageList,
    Item,
    read_labels,
    read_source,
    relative_root,
    write_labels,
    write_list,
)
from caffekit.options import Options
from caffekit.report import Report, dumps
from caffekit.steps.clean_output import as_csv, judge, place
from caffekit.steps.copies import IMAGES

KEEP, REJECT = ("keep", "kept"), ("reject", "rejected", "drop")
REVIEWED = "reviewed"  # the reason of what only a person rejected
COLUMNS = ["path", "label", "reason", "score", "detail"]
SHOWN = 20

Row = dict[str, str]


@dataclass
class _Result:
    """What clean found: label and, for rejected images, the row of rejected.csv."""

    source: Path
    classes: list[str] | None
    labels: dict[str, int]
    rejected: dict[str, Row]

    def class_name(self, label: int) -> str:
        return self.classes[label] if self.classes else str(label)


def apply_review(
    review: Path, out: Path, settings: CleanSettings, options: Options, *, root: Path | None = None
) -> Report:
    """Write `out`/clean.txt, rejected.csv, groups.csv, labels.txt and summary.json.

    `review` has a column path and label or verdict (keep, reject), in any order; rows may be missing, and
    empty cells change nothing. A label is a class id, or a class name that is no number. A corrected label
    alone keeps an image. It is applied to the result of clean in whose folder it stands, else to `out`'s.
    FormatError naming FILE:LINE for what cannot be applied.
    """
    refuse_existing(out, options.overwrite)
    folder = _result_folder(review, out)
    result = _read_result(folder, root)
    before = dict(result.labels), set(result.rejected)
    _apply(result, review)
    report = _report(result, *before)
    judge(report, settings)
    if options.dry_run:
        report.lines[0] = "would have " + report.lines[0]
        return report
    report.lines[0] += f" → {out}"
    groups = folder / "groups.csv"
    with atomic_dir(out, options.overwrite) as temporary:
        _write(temporary, out, result, report, settings.mode)
        if groups.is_file():
            shutil.copyfile(groups, temporary / groups.name)
    if not report.error:
        report.next = f"caffekit split {out / 'clean.txt'} -o lists --val 0.1 --group-by duplicates"
    return report


def _result_folder(review: Path, out: Path) -> Path:
    for folder in (review.parent, out):
        if all((folder / name).is_file() for name in ("clean.txt", "rejected.csv", "summary.json")):
            return folder
    hint = "put it into the folder that `caffekit clean` wrote, beside its clean.txt and rejected.csv"
    raise DataError(f"{review}: which result of clean does it review?", hint)


def _read_result(folder: Path, root: Path | None) -> _Result:
    with os_errors("reading", folder):
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        some_kept = (folder / "clean.txt").stat().st_size > 0
        names = folder / "labels.txt"
        classes = read_labels(names) if names.is_file() else None
    source = root or folder / summary.get("source", summary.get("root", "."))
    labels = dict(read_source(folder / "clean.txt").items) if some_kept else {}
    rejected = {row["path"]: row for _, row in _rows(folder / "rejected.csv", COLUMNS)}
    return _Result(source, classes, labels | {p: int(r["label"]) for p, r in rejected.items()}, rejected)


def _rows(path: Path, columns: list[str]) -> list[tuple[int, Row]]:
    """(line, row) of a CSV with a header; a missing cell is empty."""
    try:
        with os_errors("reading", path), open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            header = reader.fieldnames or []
            missing = [name for name in columns if name not in header]
            if missing:
                hint = f"expected the columns {', '.join(columns)}"
                raise FormatError(f"{path}:1: no column {missing[0]!r} in the header", hint)
            return [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: not a CSV file in UTF-8 ({error})", "save it as CSV in UTF-8") from error


def _apply(result: _Result, review: Path) -> None:
    rows = _rows(review, ["path"])
    if rows and not {"label", "verdict"} & set(rows[0][1]):
        raise FormatError(f"{review}:1: no column label or verdict", "there is nothing to apply without")
    problems: list[str] = []
    for line, row in rows:
        _apply_row(result, row, lambda text, line=line: problems.append(f"{review}:{line}: {text}"))  # type: ignore[misc]
    if problems:
        more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise FormatError("\n".join(problems[:SHOWN] + more), "correct them and run the same command again")


def _apply_row(result: _Result, row: Row, problem: Callable[[str], None]) -> None:
    path, verdict = row["path"], (row.get("verdict") or "").strip().lower()
    if path not in result.labels:
        return problem(f"{path} is not in the result of clean")
    label = _label(result, (row.get("label") or "").strip(), result.labels[path])
    if label is None:
        return problem(f"{row['label']} is not a class")
    if verdict and verdict not in KEEP + REJECT:
        return problem(f"verdict {row['verdict']!r}, expected keep, reject or nothing")
    corrected, result.labels[path] = label != result.labels[path], label
    if verdict in REJECT:
        reason = row.get("reason") or REVIEWED
        reason = reason if reason in CHECKS else REVIEWED
        new = {"path": path, "reason": reason, "score": "", "detail": row.get("detail") or "by hand"}
        result.rejected.setdefault(path, new)
    elif path in result.rejected and (verdict or corrected):
        if result.rejected[path]["reason"] in ALWAYS:
            return problem(f"{path} is {result.rejected[path]['reason']}: it cannot be kept")
        del result.rejected[path]
    return None


def _label(result: _Result, text: str, now: int) -> int | None:
    """The class that `text` means; None if it means none."""
    if not text:
        return now
    classes = result.classes or []
    if text.isascii() and text.isdecimal():
        label = int(text)
        return label if label < (len(classes) or MAX_LABEL + 1) else None
    return classes.index(text) if text in classes else None


def _report(result: _Result, labels: dict[str, int], rejected: set[str]) -> Report:
    report = Report("clean")
    kept = Counter(label for path, label in result.labels.items() if path not in result.rejected)
    counts = Counter(row["reason"] for row in result.rejected.values())
    classes = range(len(result.classes)) if result.classes else sorted(set(result.labels.values()))
    report.summary = {
        "total": len(result.labels),
        "kept": len(result.labels) - len(result.rejected),
        "rejected": {name: counts[name] for name in [*CHECKS, REVIEWED] if counts[name]},
        "classes": {result.class_name(label): kept[label] for label in classes},
        "relabelled": sum(labels[path] != label for path, label in result.labels.items()),
        "restored": len(rejected - result.rejected.keys()),
        "rejected_by_hand": len(result.rejected.keys() - rejected),
    }
    s = report.summary
    report.lines = [
        f"kept {s['kept']} of {s['total']} images, rejected {len(result.rejected)}",
        f"  {s['relabelled']} labels corrected, {s['restored']} images taken back, "
        f"{s['rejected_by_hand']} rejected by hand",
    ]
    return report


def _write(folder: Path, out: Path, result: _Result, report: Report, mode: str) -> None:
    images = ImageList(result.source, [], result.classes)
    kept = [Item(path, label) for path, label in result.labels.items() if path not in result.rejected]
    report.summary["root"] = relative_root(images.root, out) if mode == "list" else IMAGES
    report.summary["source"] = relative_root(images.root, out)
    if mode != "list":
        kept = [place(images.file(item), folder / IMAGES, item, mode) for item in kept]
    write_list(folder / "clean.txt", kept)
    if result.classes:
        write_labels(folder / "labels.txt", result.classes)
    rows: list[list[object]] = [
        [row[name] if name != "label" else result.labels[path] for name in COLUMNS]
        for path, row in result.rejected.items()
    ]
    write_text(folder / "rejected.csv", as_csv(COLUMNS, rows))
    write_text(folder / "summary.json", dumps(report.summary, indent=2) + "\n")
