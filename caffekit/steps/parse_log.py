"""`parse-log`: the numbers of a Caffe log as a table."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from caffekit.diagnosis.verdict import judge
from caffekit.errors import DataError, UsageError
from caffekit.formats.atomic import refuse_existing, write_text
from caffekit.formats.caffe_log import number
from caffekit.formats.log_reader import Log, Row, read_log
from caffekit.options import Options
from caffekit.report import Report, dumps

# The first three are those of Caffe's own parse_log.py; the outputs follow by name.
COLUMNS = ["NumIters", "Seconds", "LearningRate", "phase", "net", "smoothed_loss"]


def parse_log(log: Path | str, out: Path | None = None, options: Options = Options()) -> Report:  # noqa: B008
    """Rows of the train and test nets, written to `out` (.csv or .jsonl) where given.

    Missing values are empty (CSV) or null. DataError for a file that is no Caffe log.
    """
    if out is not None and out.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"{out}: expected a name that ends in .csv or .jsonl")
    found = read_log(log)
    if not (found.train or found.test):
        raise DataError(f"{log}: no Iteration line in it", "give the log of a training")
    rows = table(found)
    verdict = judge(found)[0]
    last = max(row["NumIters"] for row in rows)
    summary = {
        "train_rows": len(found.train),
        "test_rows": len(found.test),
        "last_iteration": last,
        "ended": found.ended,
        "verdict": verdict.kind,
        "snapshots": [path for _, path in found.snapshots],
    }
    what = f"{len(found.train)} train and {len(found.test)} test rows up to iteration {last} ({verdict.kind})"
    report = Report("parse-log", summary, [what])
    if verdict.kind in ("diverged", "stuck", "crashed"):
        report.next = f"caffekit diagnose-nan --log {log}"
    if out is not None:
        _write(rows, out, options, report)
    return report


def table(log: Log) -> list[dict[str, Any]]:
    """Train and test rows in the order of their iterations, each with COLUMNS and its outputs."""
    rates = {row.iter: row.lr for row in log.train if row.lr is not None}
    rows = [_row(row, "train", rates) for row in log.train] + [_row(row, "test", rates) for row in log.test]
    return sorted(rows, key=lambda row: (row["NumIters"], row["phase"]))


def _row(row: Row, phase: str, rates: dict[int, float]) -> dict[str, Any]:
    first = [row.iter, row.seconds, rates.get(row.iter), phase, row.net, row.loss]
    outputs = {row.label(key): value for key, value in row.outputs.items()}
    return dict(zip(COLUMNS, first, strict=True)) | outputs


def _write(rows: list[dict[str, Any]], out: Path, options: Options, report: Report) -> None:
    refuse_existing(out, options.overwrite)
    report.summary["out"] = str(out)
    if options.dry_run:
        report.lines.append(f"would write {out}")
        return
    write_text(out, _csv(rows) if out.suffix == ".csv" else "".join(dumps(row) + "\n" for row in rows))
    report.lines.append(f"wrote {out}")


def _csv(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)
