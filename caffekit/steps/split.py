"""`split`: training, validation and test lists, stratified, seeded, and with no group on two sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.config.schema import SplitSettings
from caffekit.errors import DataError, UsageError
from caffekit.formats.atomic import atomic_dir, refuse_existing, write_text
from caffekit.formats.csv_list import write_table
from caffekit.formats.image_list import ImageList, read_source, relative_root, write_labels, write_list
from caffekit.options import Options
from caffekit.report import Report, dumps
from caffekit.steps.assign import assign_sides
from caffekit.steps.groups import Groups, duplicates_beside, read_groups, rules_of
from caffekit.steps.quota import Flags, Ints
from caffekit.steps.strata import Strata, strata_of

SHOWN = 10


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
    A CSV list becomes CSV lists, too, where it holds more than an image list can.
    """
    refuse_existing(out, options.overwrite)
    names, shares = _sides(settings)
    images = _read(source, root)
    strata = strata_of(images)
    rules = rules_of(settings)
    groups = read_groups(images, source, rules)
    numbers = groups.numbers if groups else None
    sides = assign_sides(strata.numbers, numbers, shares, options.seed)
    parts = _parts(names, sides, settings.folds)
    report = Report("split")
    report.summary = _summary(strata, sides, names, shares, groups)
    report.warnings = list(_warnings(report.summary, names, shares, groups, settings.folds))
    if not rules and (found := duplicates_beside(source)):
        report.warnings.append(f"{found} names duplicates: --group-by duplicates keeps them on one side")
    counts = ", ".join(f"{name} {mask.sum()}" for name, mask in parts.items())
    report.lines = [f"{'would write' if options.dry_run else 'wrote'} lists to {out}: {counts}"]
    kind = "txt" if images.table is None or images.table.one_class else "csv"
    report.next = f"caffekit gen-lmdb {out / next(iter(parts))}.{kind} -o train_lmdb"
    if not options.dry_run:
        _write(images, out, parts, report, options.overwrite)
    return report


def _read(source: Path, root: Path | None) -> ImageList:
    images = read_source(source, root, several=True)
    if not images.items:
        raise DataError(f"{source}: no images to split", "check the list, or what clean rejected")
    if images.copies:
        raise DataError(
            f"{source} holds copies of images, which would stand on two sides",
            "split first, then balance or augment train.txt",
        )
    return images


def _sides(settings: SplitSettings) -> tuple[list[str], list[float]]:
    """The names of the sides and their shares of the images."""
    if settings.folds:
        names = [f"fold_{k + 1}" for k in range(settings.folds)]
        shares = [(1 - settings.test) / settings.folds] * settings.folds
        return (names + ["test"], shares + [settings.test]) if settings.test else (names, shares)
    train = 1 - settings.val - settings.test
    if train <= 1e-9:
        raise UsageError(
            f"--val {settings.val:g} and --test {settings.test:g} leave nothing to train on",
            "together they must be below 1",
        )
    names = ["train", "val", "test"] if settings.test else ["train", "val"]
    return names, [train, settings.val, settings.test][: len(names)]


def _parts(names: list[str], sides: Ints, folds: int | None) -> dict[str, Flags]:
    """Which images each list holds; fold K's validation list is side K, its training list all other folds."""
    if not folds:
        return {name: sides == i for i, name in enumerate(names)}
    parts = {}
    for i, name in enumerate(names[:folds]):
        parts[f"{name}/train"], parts[f"{name}/val"] = (sides != i) & (sides < folds), sides == i
    return parts | {name: sides == folds for name in names[folds:]}


def _write(images: ImageList, out: Path, parts: dict[str, Flags], report: Report, overwrite: bool) -> None:
    table = images.table
    with atomic_dir(out, overwrite) as temporary:
        for folder in {"."} | {str(Path(name).parent) for name in parts}:
            (temporary / folder).mkdir(exist_ok=True)
            if images.classes:
                write_labels(temporary / folder / "labels.txt", images.classes)
            summary = {**report.summary, "root": relative_root(images.root, out / folder)}
            write_text(temporary / folder / "summary.json", dumps(summary, indent=2) + "\n")
        for name, mask in parts.items():
            chosen = np.flatnonzero(mask).tolist()
            if table is None or table.one_class:
                write_list(temporary / f"{name}.txt", (images.items[i] for i in chosen))
            if table is not None and not table.plain:
                write_table(temporary / f"{name}.csv", table.header, (table.rows[i] for i in chosen))


def _summary(
    strata: Strata, sides: Ints, names: list[str], shares: list[float], groups: Groups | None
) -> dict[str, Any]:
    """Counts and class shares; how far the classes are from their shares; what no side or only one has."""
    table = strata.counts(sides, len(names))
    totals = table.sum(0)
    off = np.abs(table - np.outer(shares, totals))
    side, most = np.unravel_index(int(off.argmax()), off.shape)
    counts = np.bincount(sides, minlength=len(names))
    return {
        "total": len(sides),
        **{name: int(n) for name, n in zip(names, counts, strict=True)},
        "groups": len(np.unique(groups.numbers)) if groups else None,
        "class_shares": {
            name: {"min": row.min(), "max": row.max()}
            for name, row in zip(names, table / totals, strict=True)
        },
        "furthest": {
            "class": strata.names[most],
            "side": names[side],
            "images": int(table[side, most]),
            "share": round(shares[side] * int(totals[most]), 3),
        },
        "classes_off": int((off.max(0) > 1 + 1e-6).sum()),
        "missing": {
            name: [strata.names[c] for c in np.flatnonzero(row == 0)]
            for name, row in zip(names, table, strict=True)
            if (row == 0).any()
        },
        "classes": {name: column.tolist() for name, column in zip(strata.names, table.T, strict=True)},
    }


def _warnings(
    summary: dict[str, Any], names: list[str], shares: list[float], groups: Groups | None, folds: int | None
) -> Iterator[str]:
    """What somebody who trains on these lists should know."""
    yield from groups.warnings if groups else []
    for name, share in zip(names, shares, strict=True):
        missing = summary["missing"].get(name, [])
        if missing and summary[name]:
            yield f"{name} has no image of {len(missing)} classes: {_few(missing)}"
        elif share and not summary[name]:
            yield f"{name} is empty: " + (
                "no group is small enough for it" if groups else "there are too few images for it"
            )
    if folds:
        only = [name for name, row in summary["classes"].items() if sum(n > 0 for n in row[:folds]) == 1]
        if only:
            yield f"{len(only)} classes are in one fold only, whose training list lacks them: {_few(only)}"
    if summary["classes_off"]:
        far = summary["furthest"]
        yield (
            f"{summary['classes_off']} classes miss their share by more than one image"
            f"{', because groups stay whole' if groups else ''}; furthest: class {far['class']} has"
            f" {far['images']} in {far['side']}, its share is {far['share']:g}"
        )


def _few(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
