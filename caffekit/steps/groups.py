"""Which images must stay on one side of a split, by the rules of `--group-by`."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from caffekit.config.schema import SplitSettings
from caffekit.errors import DataError, UsageError, os_errors
from caffekit.formats.image_list import ImageList
from caffekit.steps.copies import inside
from caffekit.steps.quota import Ints

RULES = "duplicates, folder, regex:PATTERN, csv:FILE or column:NAME"
DUPLICATES = "groups.csv"  # clean writes it beside its clean.txt

Keys = list[str | None]


@dataclass
class Groups:
    """A number for each image: those of one number stay together; and what there is to say about it."""

    numbers: Ints
    warnings: list[str] = field(default_factory=list)


def read_groups(images: ImageList, source: Path, rules: Sequence[str]) -> Groups | None:
    """The groups that the rules make; of several, each keeps together what it names. None without rules.

    An image that no rule names is a group of its own. DataError if a rule names none of the images.
    """
    if not rules:
        return None
    warnings, numbered = [], []
    for rule in rules:
        keys = _keys(images, source, rule)
        named = sum(key is not None for key in keys)
        if not named and not (rule == "duplicates" and _is_empty(source.parent / DUPLICATES)):
            raise DataError(
                f"--group-by {rule} fits none of the {len(keys)} images of {source}",
                f"a path there is {images.items[0].path}",
            )
        if named < len(keys) and rule != "duplicates":
            example = images.items[keys.index(None)].path
            warnings.append(
                f"--group-by {rule} fits {named} of {len(keys)} images; the others, such as {example},"
                " are each on their own"
            )
        numbered.append(_numbers(keys))
    return Groups(numbered[0] if len(numbered) == 1 else _joined(numbered), warnings)


def rules_of(settings: SplitSettings) -> list[str]:
    """The rules that `settings` name, one or several."""
    rules = settings.group_by or []
    return [rules] if isinstance(rules, str) else rules


def group_files(settings: SplitSettings) -> list[Path]:
    """The CSV files that the rules read."""
    return [Path(rule.removeprefix("csv:")) for rule in rules_of(settings) if rule.startswith("csv:")]


def duplicates_beside(source: Path) -> Path | None:
    """The groups.csv beside `source`, if it names any duplicates."""
    path = source.parent / DUPLICATES
    return path if source.is_file() and path.is_file() and not _is_empty(path) else None


def _keys(images: ImageList, source: Path, rule: str) -> Keys:
    """What each image shares with those that it must stay with; None: nothing."""
    kind, _, detail = rule.partition(":")
    if kind == "duplicates":
        return _of_csv(images, source.parent / DUPLICATES, "clean writes it beside its clean.txt")
    if kind == "csv" and detail:
        return _of_csv(images, Path(detail), "it needs the columns path and group")
    if kind == "column" and detail:
        if images.table is None:
            raise UsageError(f"--group-by {rule}: {source} is no CSV list", "csv:FILE reads one beside it")
        return [cell.strip() or None for cell in images.table.column(detail)]
    if kind == "folder":
        return [item.path.rpartition("/")[0] for item in images.items]
    if kind == "regex" and detail:
        return _of_pattern(images, rule, detail)
    raise UsageError(f"--group-by {rule}: unknown rule", f"expected {RULES}")


def _of_csv(images: ImageList, path: Path, hint: str) -> Keys:
    """The `group` of each path in a CSV, or its only other column."""
    with os_errors("reading", path), open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        others = [name for name in header if name != "path"]
        name = "group" if "group" in header else others[0] if len(others) == 1 else ""
        if "path" not in header or not name:
            raise DataError(f"{path}:1: expected the columns path and group, got {','.join(header)}", hint)
        rows = list(reader)
    place, value = header.index("path"), header.index(name)
    if any(len(row) != len(header) for row in rows):
        number, row = next((n, row) for n, row in enumerate(rows, 2) if len(row) != len(header))
        raise DataError(f"{path}:{number}: {len(row)} cells, expected {len(header)}", hint)
    groups = {row[place]: row[value] for row in rows}
    for number, row in enumerate(rows, 2) if len(groups) < len(rows) else ():
        if groups[row[place]] != row[value]:
            raise DataError(
                f"{path}:{number}: {row[place]} is in two groups, {row[value]} and {groups[row[place]]}",
                "give each path one group",
            )
    # `clean --copy` renames what would lead out of its folder.
    groups |= {inside(path): group for path, group in groups.items() if path.startswith(("/", "."))}
    return [groups.get(item.path, "").strip() or None for item in images.items]


def _of_pattern(images: ImageList, rule: str, pattern: str) -> Keys:
    """The brackets of the pattern's match in each path, or the whole match."""
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UsageError(f"--group-by {rule}: {error}", "it must be a Python regular expression") from error
    found = (search(item.path) for item in images.items)
    return [("\0".join(map(str, m.groups())) or m[0]) if m else None for m in found]


def _numbers(keys: Keys) -> Ints:
    """Equal keys, equal numbers; every None a number of its own. (np.unique would sort long texts.)"""
    known: dict[str | int, int] = {}
    return np.array([known.setdefault(i if key is None else key, len(known)) for i, key in enumerate(keys)])


def _joined(numbered: Sequence[Ints]) -> Ints:
    """Groups of images that hang together by any of several numberings."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count, first, nodes = len(numbered[0]), len(numbered[0]), []
    for numbers in numbered:
        nodes.append(numbers + first)
        first += int(numbers.max()) + 1
    rows, columns = np.tile(np.arange(count), len(nodes)), np.concatenate(nodes)
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(first, first))
    joined: Ints = connected_components(graph, directed=False)[1][:count].astype(np.int64)
    return joined


def _is_empty(path: Path) -> bool:
    """Whether a CSV has no row below its header."""
    with os_errors("reading", path), open(path, encoding="utf-8-sig") as file:
        return len([line for line, _ in zip(file, range(2), strict=False)]) < 2
