"""CSV lists: a header with `path`, one or several label columns (`label`, `label_1`, …), and any others.

They say what Caffe's lists cannot: class names, several or float labels, the person or video of an image.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from caffekit.errors import DataError, FormatError
from caffekit.formats.atomic import write_text

MAX_PROBLEMS = 20  # shown; the rest is counted
_FORM = "expected a header such as path,label or path,label_1,label_2 and a row per image"


@dataclass
class Table:
    """The header and the rows of a CSV list; `labels` names the columns that hold labels.

    one_class: they say one class for each image, and not several labels or a float.
    """

    header: list[str]
    rows: list[list[str]]
    labels: list[str]
    one_class: bool = True

    def column(self, name: str) -> list[str]:
        """The cells of one column, in the order of the rows. DataError if there is none of this name."""
        if name not in self.header:
            raise DataError(f"no column {name!r}", f"the columns are {', '.join(self.header)}")
        place = self.header.index(name)
        return [row[place] for row in self.rows]

    @property
    def plain(self) -> bool:
        """There is nothing in it that an image list (`path LABEL`) could not hold."""
        return len(self.labels) == 1 and len(self.header) == 2


def read_table(path: Path, text: str, repeats: bool = False) -> Table:
    """The CSV list `text`, read from `path`; repeats: the same row may stand in it more than once.

    FormatError naming FILE:LINE for each row that is malformed.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(path, next(reader, []))
        labels = [name for name in header if name == "label" or name.startswith("label_")]
        place, needed = header.index("path"), [header.index(name) for name in labels]
        rows = list(reader)
        if not _is_plain(text, rows, header, place, needed):
            _check_rows(path, text, header, place, needed, repeats)
    except csv.Error as error:
        raise FormatError(f"{path}:{reader.line_num}: {error}", "quote cells as CSV does") from error
    if not rows:
        raise DataError(f"{path}: no images in it")
    return Table(header, rows, labels)


def _is_plain(text: str, rows: list[list[str]], header: list[str], place: int, needed: list[int]) -> bool:
    """Whether a glance at all rows at once, as lists of millions need it, finds nothing to look into."""
    if '"' in text or "\t" in text or any(len(row) != len(header) for row in rows):
        return False
    names = {row[place] for row in rows}
    return len(names) == len(rows) and all(row[i].strip() for i in {place, *needed} for row in rows)


def _check_rows(
    path: Path, text: str, header: list[str], place: int, needed: list[int], repeats: bool
) -> None:
    """Row by row; FormatError with all problems."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    next(reader)
    problems: list[str] = []
    first: dict[str, tuple[int, list[str]]] = {}
    for row in reader:
        problem = _problem(row, header, place, needed)
        if not problem:
            before = first.setdefault(row[place], (reader.line_num, row))
            if before[1] is not row and not (repeats and before[1] == row):
                problem = f"duplicate path {row[place]} (first in line {before[0]})"
        if problem:
            problems.append(f"{path}:{reader.line_num}: {problem}")
    if problems:
        more = len(problems) - MAX_PROBLEMS
        shown = problems[:MAX_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])
        raise FormatError("\n".join(shown), f"{len(problems)} rows to correct; {_FORM}")


def _header(path: Path, header: list[str]) -> list[str]:
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise FormatError(f"{path}:1: two columns are called {twice[0]!r}", "rename one of them")
    if "path" not in header:
        raise FormatError(f"{path}:1: no column path in {','.join(header) or 'an empty header'}", _FORM)
    if not any(name == "label" or name.startswith("label_") for name in header):
        raise FormatError(f"{path}:1: no column label or label_1 in {','.join(header)}", _FORM)
    return header


def _problem(row: list[str], header: list[str], place: int, needed: list[int]) -> str:
    """What is wrong with a row, or "" ."""
    if len(row) != len(header):
        return f"{len(row)} cells, expected {len(header)} ({','.join(header)})"
    name = row[place]
    if not name.strip() or any(c in name for c in "\t\r\n"):
        return f"expected a path without tabs and line ends, got {name!r}"
    empty = next((header[i] for i in needed if not row[i].strip()), "")
    return f"empty {empty}" if empty else ""


def class_ids(
    path: Path, cells: Sequence[str], classes: list[str] | None
) -> tuple[list[int], list[str] | None]:
    """The class ids of label cells, and the class names: integers are ids, anything else is a name.

    `classes`: the names in a labels.txt, where there is one; else names are numbered in byte order.
    DataError for numbers that are not ids (floats, negative ones) and for names and ids that do not fit.
    """
    kinds = set(cells)
    if all(cell.isascii() and cell.isdecimal() and len(cell) < 10 for cell in kinds):
        highest = max(map(int, kinds))
        if classes is not None and highest >= len(classes):
            raise DataError(f"{path}: label {highest}, but labels.txt names {len(classes)} classes only")
        return [int(cell) for cell in cells], classes
    number = next((cell for cell in sorted(kinds) if is_finite(cell)), None)
    if number is not None:
        raise DataError(
            f"{path}: label {number} is no class: expected integers of 0 or more, or names",
            "float labels have no classes to count",
        )
    classes = classes or sorted(kinds, key=os.fsencode)
    numbers = {name: i for i, name in enumerate(classes)}
    unknown = sorted(kinds - numbers.keys())
    if unknown:
        raise DataError(f"{path}: class {unknown[0]!r} is not in the labels.txt beside it", "add it there")
    return [numbers[cell] for cell in cells], classes


def is_number(text: str) -> bool:
    """Whether `text` is an integer, a float, or one of the words for infinity and nan."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_finite(text: str) -> bool:
    """Whether `text` is a number that can be counted with: "nan" may be the name of a class (bread)."""
    return is_number(text) and math.isfinite(float(text))


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV list, atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
