"""`balance`: even class counts, by repeating, by changed copies, or by leaving images out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.config.schema import BalanceSettings
from caffekit.errors import UsageError
from caffekit.formats.atomic import atomic_dir, refuse_existing, write_text
from caffekit.formats.csv_list import write_table
from caffekit.formats.features import read_features
from caffekit.formats.image_list import ImageList, read_source, relative_root, write_labels, write_list
from caffekit.options import Options
from caffekit.report import Report, dumps
from caffekit.steps.copies import IMAGES, Copy, write_dataset
from caffekit.steps.held_out import refuse_held_out
from caffekit.steps.keep import hardness, keep_random, keep_varied, unit
from caffekit.steps.quota import Ints

# Small enough to leave a digit, a face or a traffic sign what it is.
JITTER: dict[str, Any] = {"scale": (0.9, 1.1), "rotate": 8.0, "color": 0.1}
MANY = 10  # times that one image may stand for its class without a word
METHODS = ("oversample", "jitter", "undersample", "hybrid")


@dataclass
class Choice:
    """Places in the list, each as often as it is used, in its order; and how often to copy with changes."""

    used: Ints
    copied: list[tuple[int, int]] = field(default_factory=list)
    """(place, number of the copy), in order."""


def balance(
    source: Path,
    out: Path,
    settings: BalanceSettings = BalanceSettings(method="oversample"),
    options: Options = Options(),
    *,
    root: Path | None = None,
) -> Report:
    """Write `out`/balanced.txt, in which every class has about as many images as settings.target says.

    oversample repeats images of small classes, equally often; jitter makes changed copies instead, none with
    the pixels of another; undersample leaves images of large classes out; hybrid does the first and the last.
    Only a training list may be balanced: DataError if it shares an image with a validation or test list.
    """
    _check(settings)
    refuse_existing(out, options.overwrite)
    images = read_source(source, root)
    refuse_held_out(source, images, settings.held_out)
    choice = _choose(images, settings, options.seed)
    report = _report(images, choice, settings, out, options.dry_run)
    if not options.dry_run:
        with atomic_dir(out, options.overwrite) as temporary:
            _write(images, choice, temporary, out, report, options)
    return report


def _check(settings: BalanceSettings) -> None:
    if not settings.method:
        raise UsageError("balance: no --method", f"choose one of {', '.join(METHODS)}")
    if isinstance(settings.target, int) and settings.target < 1:
        raise UsageError(f"--target {settings.target}: expected at least 1 image per class")
    if settings.features and settings.method not in ("undersample", "hybrid"):
        raise UsageError(
            f"--features says which images to keep, and --method {settings.method} keeps all",
            "use undersample or hybrid",
        )


def _write(
    images: ImageList, choice: Choice, folder: Path, out: Path, report: Report, options: Options
) -> None:
    """All files, into `folder`, which will become `out`."""
    items = [images.items[i] for i in choice.used]
    places = [*choice.used.tolist(), *(i for i, _ in choice.copied)]
    if choice.copied:
        kept = ImageList(images.root, items, images.classes)
        copies = (Copy(images.items[i], number) for i, number in choice.copied)
        count = len(choice.copied)
        items = list(write_dataset(kept, folder, copies, count, JITTER, options, "jittering", distinct=True))
    report.summary["root"] = IMAGES if choice.copied else relative_root(images.root, out)
    write_list(folder / "balanced.txt", items)
    if images.table and not images.table.plain:
        path = images.table.header.index("path")
        rows = [[*images.table.rows[i]] for i in places]
        for row, item in zip(rows, items, strict=True):
            row[path] = item.path
        write_table(folder / "balanced.csv", images.table.header, rows)
    if images.classes:
        write_labels(folder / "labels.txt", images.classes)
    write_text(folder / "summary.json", dumps(report.summary, indent=2) + "\n")


def _choose(images: ImageList, settings: BalanceSettings, seed: int) -> Choice:
    """Which images to use how often, and the changed copies to make."""
    labels = np.array([item.label for item in images.items])
    counts = np.bincount(labels)
    target = target_count(counts[counts > 0], settings.target)
    repeats = np.ones(len(labels), np.int64)
    random = np.random.default_rng(seed)
    features = hard = None
    if settings.features:
        features = unit(read_features(settings.features, [item.path for item in images.items]))
        hard = hardness(features, labels)
    for mine in np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1]):
        if len(mine) > target and features is not None and hard is not None:
            repeats[mine] = 0
            repeats[mine[keep_varied(features[mine], hard[mine], target, random)]] = 1
        elif len(mine):
            repeats[mine] = _repeats(len(mine), target, settings, random)
    everything = np.arange(len(labels))
    if settings.method != "jitter":
        return Choice(np.repeat(everything, repeats))
    return Choice(everything, _numbered(images, repeats))


def _numbered(images: ImageList, repeats: Ints) -> list[tuple[int, int]]:
    """(place, number) of each changed copy; a line that stands in the list twice gets other numbers."""
    made: Counter[str] = Counter()
    copied = []
    for place in np.flatnonzero(repeats > 1).tolist():
        path, more = images.items[place].path, int(repeats[place]) - 1
        copied += [(place, number) for number in range(made[path] + 1, made[path] + more + 1)]
        made[path] += more
    return copied


def _repeats(
    count: int, target: int, settings: BalanceSettings, random: np.random.Generator
) -> NDArray[np.int64]:
    """How often each of `count` images of a class is used, to reach `target` in all.

    Whole rounds for all, and one more for a random remainder: no image is used twice as often as another.
    """
    shrink, grow = settings.method in ("undersample", "hybrid"), settings.method != "undersample"
    if (count > target and not shrink) or (count < target and not grow):
        return np.ones(count, np.int64)
    rounds, remainder = divmod(target, count)
    repeats = np.full(count, rounds, np.int64)
    repeats[keep_random(count, remainder, random)] += 1
    return np.minimum(repeats, settings.max_repeat) if settings.max_repeat else repeats


def target_count(counts: Ints, target: str | int) -> int:
    """Images per class: a number, or the max, min, median or mean of the classes' counts."""
    if isinstance(target, int):
        return target
    choices = {"max": counts.max(), "min": counts.min(), "median": np.median(counts), "mean": counts.mean()}
    return int(choices[target])


def _report(images: ImageList, choice: Choice, settings: BalanceSettings, out: Path, dry_run: bool) -> Report:
    labels = np.array([item.label for item in images.items])
    before = np.bincount(labels)
    after = np.bincount(labels[choice.used], minlength=len(before))
    after += np.bincount(labels[[i for i, _ in choice.copied]], minlength=len(before)) if choice.copied else 0
    target = target_count(before[before > 0], settings.target)
    names = {images.class_name(label): (int(before[label]), int(n)) for label, n in enumerate(after) if n}
    report = Report("balance")
    report.summary = {
        "method": settings.method,
        "target": target,
        "total": int(after.sum()),
        "before": {name: was for name, (was, _) in names.items()},
        "after": {name: now for name, (_, now) in names.items()},
        "capped": [name for name, (was, now) in names.items() if settings.max_repeat and was < now < target],
        "copies": len(choice.copied),
        "repeats": bool((np.diff(choice.used) == 0).any()),
    }
    for label in np.flatnonzero(after > MANY * before):
        name = images.class_name(int(label))
        report.warnings.append(
            f"class {name}: {before[label]} images stand for {after[label]}; find more, or give --max-repeat"
        )
    sizes = [f"{counts[counts > 0].min()} to {counts.max()}" for counts in (before, after)]
    verb = "would write" if dry_run else "wrote"
    report.lines = [
        f"{verb} {after.sum()} lines to {out / 'balanced.txt'}: {sizes[0]} images a class → {sizes[1]}"
    ]
    if report.summary["capped"]:
        report.lines.append(f"  --max-repeat keeps {len(report.summary['capped'])} classes below {target}")
    report.next = f"caffekit gen-lmdb {out / 'balanced.txt'} -o DB"
    return report
