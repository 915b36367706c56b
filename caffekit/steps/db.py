"""`db check` and `db show`: what an LMDB really holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FINDINGS, FormatError
from caffekit.formats.atomic import refuse_existing, write_bytes
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.images import BadImage, decode, encode
from caffekit.formats.lmdb_store import LmdbReader, Record
from caffekit.formats.preprocess import class_names
from caffekit.options import Options
from caffekit.report import Json, Report
from caffekit.steps.parallel import thread_map
from caffekit.steps.thumbnails import thumbnails

NAMED = 20  # records named per finding; the rest is counted
FEW = 20  # fewer records say nothing about their order
STACKED = {2: 2, 6: 2, 9: 3}  # channels of a record → images in it
SORTED = 0.5  # fewer label changes than this share of what chance gives: not shuffled

# Finding → what it means and what to do.
RULES = {
    "unreadable": (
        "not a Caffe Datum, or its image cannot be decoded",
        "make the database again from clean images",
    ),
    "shape": ("another shape than the first record", "make it again with gen-lmdb --resize WIDTHxHEIGHT"),
    "label": ("a label outside 0 … number of classes - 1", "correct the list, then make the database again"),
    "non-finite": ("nan or infinity among its values", "find out where the values come from"),
    "order": (
        "neighbours have the same label far too often",
        "gen-lmdb shuffles unless --no-shuffle is given",
    ),
}


@dataclass(frozen=True)
class Seen:
    """One record looked at: its label, its shape (channels, height, width), and what is wrong with it."""

    key: str
    label: int
    shape: tuple[int, ...]
    fault: str = ""
    detail: str = ""


@dataclass
class Facts:
    """All that the records say."""

    labels: list[int] = field(default_factory=list)
    shapes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)


def check(path: Path, num_classes: int | None = None, options: Options = Options()) -> Report:
    """Read, parse and decode every record; exit code 3 when something is found.

    num_classes: default the lines of the labels.txt beside the database; without either, labels must only
    not be negative. DataError for no database or an empty one, FormatError for one that cannot be opened.
    """
    with LmdbReader(path) as reader:
        reader.first()
        seen = thread_map(_look, reader.records(), options.jobs)
        classes = num_classes or len(class_names(path)) or None
        facts = _gather(options.progress(seen, len(reader), "db check"), classes)
    if _looks_sorted(facts.labels):
        facts.faults["order"] = []
    return _report(path, facts)


def show(path: Path, grid: Path | None = None, limit: int = 16, options: Options = Options()) -> Report:
    """List the first `limit` records; with `grid` also draw them, with their labels, into a PNG file."""
    if grid:
        refuse_existing(grid, options.overwrite)
    report, images = Report("db show"), []
    with LmdbReader(path) as reader:
        reader.first()
        report.summary = {"database": str(path), "total": len(reader), "records": []}
        for (key, value), _ in zip(reader.records(), range(limit), strict=False):
            name = key.decode(errors="replace")
            datum = parse_datum(value, f"{path}: record {name}")
            array = datum_array(datum, f"{path}: record {name}")
            row = {"key": name, "label": datum.label, "shape": list(array.shape), "encoded": datum.encoded}
            report.summary["records"].append(row)
            report.lines.append(
                f"{name}  label {datum.label}  {_size(array.shape)}{' encoded' * datum.encoded}"
            )
            images.append((_displayable(array), str(datum.label)))
    report.lines.append(f"{len(images)} of {report.summary['total']} records")
    if grid and not options.dry_run:
        write_bytes(grid, encode(thumbnails(images), "png"))
        report.lines.append(f"wrote {grid}")
    return report


def _look(record: Record) -> Seen:
    """Judge one record. Encoded images are decoded strictly; Caffe takes damaged ones silently."""
    key = record[0].decode(errors="replace")
    try:
        datum = parse_datum(record[1])
        array = datum_array(datum)
        if datum.encoded:
            decode(datum.data)
    except FormatError as error:
        return Seen(key, 0, (), "unreadable", error.message)
    except BadImage as error:
        return Seen(key, datum.label, array.shape, "unreadable", str(error))
    if array.dtype != np.uint8 and not np.isfinite(array).all():
        return Seen(key, datum.label, array.shape, "non-finite")
    return Seen(key, datum.label, array.shape)


def _gather(seen: Iterator[Seen], classes: int | None) -> Facts:
    facts = Facts()
    first: tuple[int, ...] = ()
    for each in seen:
        if each.fault:
            facts.faults.setdefault(each.fault, []).append(f"{each.key} {each.detail}".rstrip())
        if not each.shape:
            continue
        first = first or each.shape
        facts.labels.append(each.label)
        facts.shapes[each.shape] += 1
        if each.shape != first:
            facts.faults.setdefault("shape", []).append(f"{each.key} ({_size(each.shape)})")
        if each.label < 0 or (classes is not None and each.label >= classes):
            facts.faults.setdefault("label", []).append(f"{each.key} (label {each.label})")
    return facts


def _looks_sorted(labels: list[int]) -> bool:
    """Whether neighbouring records differ in label far less often than in a random order."""
    array = np.array(labels)
    if len(array) < FEW or (array == array[0]).all():
        return False
    shares = np.unique(array, return_counts=True)[1] / len(array)
    by_chance = (1 - np.square(shares).sum()) * (len(array) - 1)
    return bool((array[1:] != array[:-1]).sum() < SORTED * by_chance)


def _report(path: Path, facts: Facts) -> Report:
    report = Report("db check")
    counts = Counter(facts.labels)
    report.summary = {
        "database": str(path),
        "total": len(facts.labels) + len(facts.faults.get("unreadable", [])),
        "shapes": {_size(shape): n for shape, n in facts.shapes.most_common()},
        "labels": {str(label): counts[label] for label in sorted(counts)},
        "findings": [_finding(rule, facts.faults[rule]) for rule in RULES if rule in facts.faults],
    }
    shown, more = list(report.summary["shapes"])[:4], max(0, len(facts.shapes) - 4)
    shapes = ", ".join(shown) + (f" and {more} more shapes" if more else "") or "none readable"
    report.lines = [f"{path}: {report.summary['total']} records, {shapes}, {len(counts)} labels"]
    for found in report.summary["findings"]:
        first = f"; {found['count']} records, first {found['records'][0]}" if found["records"] else ""
        report.lines.append(f"{found['rule']}: {found['message']}{first}")
        report.lines.append(f"  fix: {found['fix']}")
    report.exit_code = FINDINGS if report.summary["findings"] else 0
    if not report.exit_code:
        report.lines.append("nothing found")
    return report


def _finding(rule: str, records: list[str]) -> Json:
    message, fix = RULES[rule]
    return {"rule": rule, "count": len(records), "message": message, "fix": fix, "records": records[:NAMED]}


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _displayable(array: NDArray[Any]) -> NDArray[np.uint8]:
    """CHW of any type → BGR bytes HWC; floats are stretched to 0 … 255."""
    image = array.transpose(1, 2, 0)
    if image.dtype != np.uint8:
        image = np.nan_to_num(image, nan=0, posinf=0, neginf=0)
        low, high = image.min(), image.max()
        image = ((image - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    if image.shape[2] in STACKED:  # pairs or triplets: side by side
        image = np.concatenate(np.split(image, STACKED[image.shape[2]], axis=2), axis=1)
    if image.shape[2] not in (1, 3):
        image = image[:, :, :1]
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
