"""`split`: training, validation and test lists, stratified, seeded, and with no group on two sides."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffekit.config.schema import SplitSettings
from caffekit.errors import DataError, UsageError, os_errors
from caffekit.formats.atomic import atomic_dir, refuse_existing, write_text
from caffekit.formats.image_list import ImageList, Item, read_source, relative_root, write_labels, write_list
from caffekit.options import Options
from caffekit.report import Report, dumps
from caffekit.steps.assign import assign_sides

Sides = NDArray[np.int64]


def split(
    source: Path,
    out: Path,
    settings: SplitSettings = SplitSettings(),
    options: Options = Options(),
    *,
    root: Path | None = None,
) -> Report:
    """Write `out`/train.txt, val.txt and, with settings.test, test.txt; or, with settings.folds, fold_1/ ….

    Every class has its share on every side, within one image where no groups forbid it. What
    settings.group_by puts together (duplicates, a folder, a pattern's match, a CSV column) stays together.
    """
    refuse_existing(out, options.overwrite)
    images = read_source(source, root)
    if not images.items:
        raise DataError(f"{source}: no images to split", "check the list, or what clean rejected")
    if images.copies:
        raise DataError(
            f"{source} holds copies of images, which would stand on two sides",
            "split first, then balance or augment train.txt",
        )
    labels = np.array([item.label for item in images.items])
    groups = read_groups(images, source, settings.group_by)
    names, shares = _sides(settings)
    sides = assign_sides(labels, groups, shares, options.seed)
    parts = _parts(names, sides, bool(settings.folds))
    report = _report(images, labels, sides, groups, names)
    report.warnings += [
        f"{name} is empty: no group is small enough for it"
        for name, share in zip(names, shares, strict=True)
        if share and not report.summary[name]
    ]
    counts = ", ".join(f"{name} {mask.sum()}" for name, mask in parts.items())
    report.lines = [f"{'would write' if options.dry_run else 'wrote'} lists to {out}: {counts}"]
    report.next = f"caffekit gen-lmdb {out / next(iter(parts))} -o train_lmdb"
    if not options.dry_run:
        _write(images, out, parts, report, options.overwrite)
    return report


def _sides(settings: SplitSettings) -> tuple[list[str], list[float]]:
    """The names of the sides and their shares of the images."""
    if settings.folds:
        return [f"fold_{k + 1}" for k in range(settings.folds)], [1 / settings.folds] * settings.folds
    train = 1 - settings.val - settings.test
    if train <= 0:
        raise UsageError(
            f"--val {settings.val:g} and --test {settings.test:g} leave nothing to train on",
            "together they must be below 1",
        )
    names = ["train", "val", "test"] if settings.test else ["train", "val"]
    return names, [train, settings.val, settings.test][: len(names)]


def _parts(names: list[str], sides: Sides, folds: bool) -> dict[str, NDArray[np.bool_]]:
    """Which images each list holds; fold K's validation list is side K, its training list all others."""
    if not folds:
        return {f"{name}.txt": sides == i for i, name in enumerate(names)}
    parts = {}
    for i, name in enumerate(names):
        parts[f"{name}/train.txt"], parts[f"{name}/val.txt"] = sides != i, sides == i
    return parts


def _write(
    images: ImageList, out: Path, parts: dict[str, NDArray[np.bool_]], report: Report, overwrite: bool
) -> None:
    with atomic_dir(out, overwrite) as temporary:
        for folder in {"."} | {str(Path(name).parent) for name in parts}:
            (temporary / folder).mkdir(exist_ok=True)
            if images.classes:
                write_labels(temporary / folder / "labels.txt", images.classes)
            summary = {**report.summary, "root": relative_root(images.root, out / folder)}
            write_text(temporary / folder / "summary.json", dumps(summary, indent=2) + "\n")
        for name, mask in parts.items():
            write_list(temporary / name, [images.items[i] for i in np.flatnonzero(mask)])


def _report(images: ImageList, labels: Sides, sides: Sides, groups: Sides | None, names: list[str]) -> Report:
    """Counts, class shares, and a warning for every side that lacks a class."""
    table = np.zeros((len(names), labels.max() + 1), np.int64)
    np.add.at(table, (sides, labels), 1)
    present = [int(c) for c in np.flatnonzero(table.sum(0))]
    shares = table[:, present] / table[:, present].sum(0)
    report = Report("split")
    report.summary = {
        "total": len(labels),
        **{name: int(n) for name, n in zip(names, table.sum(1), strict=True)},
        "groups": len(np.unique(groups)) if groups is not None else None,
        "class_shares": {
            name: {"min": row.min(), "max": row.max()} for name, row in zip(names, shares, strict=True)
        },
        "classes": {images.class_name(c): table[:, c].tolist() for c in present},
    }
    for name, row in zip(names, table, strict=True):
        missing = [images.class_name(c) for c in present if not row[c]] if row.any() else []
        if missing:
            more = " …" if len(missing) > 10 else ""
            report.warnings.append(
                f"{name} has no image of {len(missing)} classes: {', '.join(missing[:10])}{more}"
            )
    return report


def read_groups(images: ImageList, source: Path, group_by: str | None) -> NDArray[np.int64] | None:
    """A group number for each image, or None: images of one number must stay on one side."""
    if not group_by:
        return None
    kind, _, detail = group_by.partition(":")
    if kind == "duplicates":
        keys = _csv_keys(images, source.parent / "groups.csv", "clean writes it beside its clean.txt")
    elif kind == "csv":
        keys = _csv_keys(images, Path(detail), "it needs the columns path and group")
    elif kind == "folder":
        keys = [str(Path(item.path).parent) for item in images.items]
    elif kind == "regex":
        keys = [_match(detail, item) for item in images.items]
    else:
        raise UsageError(
            f"--group-by {group_by}: unknown rule", "expected duplicates, folder, regex:PATTERN or csv:FILE"
        )
    numbers: NDArray[np.int64] = np.unique(keys, return_inverse=True)[1].astype(np.int64)
    return numbers


def _csv_keys(images: ImageList, path: Path, hint: str) -> list[str]:
    """The `group` of each path in a CSV; images that it does not name are groups of their own."""
    with os_errors("reading", path), open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if not {"path", "group"} <= set(reader.fieldnames or []):
            raise DataError(f"{path}:1: expected the columns path and group, got {reader.fieldnames}", hint)
        groups = {row["path"]: f"group {row['group']}" for row in reader}
    return [groups.get(item.path, f"image {item.path}") for item in images.items]


def _match(pattern: str, item: Item) -> str:
    """The first bracket of the pattern's match in the path (or the whole match)."""
    try:
        found = re.search(pattern, item.path)
    except re.error as error:
        hint = "it must be a Python regular expression"
        raise UsageError(f"--group-by regex:{pattern}: {error}", hint) from error
    if not found:
        return f"image {item.path}"
    return found[1] if found.groups() else found[0]
