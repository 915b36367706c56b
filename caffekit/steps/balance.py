"""`balance`: even class counts, by repeating, by changed copies, or by leaving images out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.config.schema import BalanceSettings
from caffekit.errors import DataError, UsageError
from caffekit.formats.atomic import atomic_dir, refuse_existing, write_text
from caffekit.formats.image_list import ImageList, Item, read_source, relative_root, write_labels, write_list
from caffekit.options import Options
from caffekit.report import Report, dumps
from caffekit.steps.copies import IMAGES, Copy, write_dataset

# Small enough to leave a digit, a face or a traffic sign what it is.
JITTER: dict[str, Any] = {"scale": (0.9, 1.1), "rotate": 8.0, "color": 0.1}
MANY = 10  # times that one image may stand for its class without a word
METHODS = ("oversample", "jitter", "undersample", "hybrid")


def balance(
    source: Path,
    out: Path,
    settings: BalanceSettings = BalanceSettings(method="oversample"),
    options: Options = Options(),
    *,
    root: Path | None = None,
) -> Report:
    """Write `out`/balanced.txt, in which every class has about as many images as settings.target says.

    oversample repeats images of small classes, equally often; jitter makes changed copies instead;
    undersample leaves images of large classes out; hybrid does the first and the last. Only a training list
    may be balanced: DataError if it shares an image with a val.txt or test.txt beside it.
    """
    if not settings.method:
        raise UsageError("balance: no --method", f"choose one of {', '.join(METHODS)}")
    if isinstance(settings.target, int) and settings.target < 1:
        raise UsageError(f"--target {settings.target}: expected at least 1 image per class")
    refuse_existing(out, options.overwrite)
    images = read_source(source, root)
    _refuse_overlap(source, images)
    chosen, copies = _choose(images, settings, options.seed)
    report = _report(images, chosen, copies, settings, out, options.dry_run)
    if options.dry_run:
        return report
    with atomic_dir(out, options.overwrite) as temporary:
        kept = ImageList(images.root, chosen, images.classes)
        items = write_dataset(kept, temporary, copies, JITTER, options, "jittering") if copies else chosen
        report.summary["root"] = IMAGES if copies else relative_root(images.root, out)
        write_list(temporary / "balanced.txt", items)
        if images.classes:
            write_labels(temporary / "labels.txt", images.classes)
        write_text(temporary / "summary.json", dumps(report.summary, indent=2) + "\n")
    return report


def _choose(images: ImageList, settings: BalanceSettings, seed: int) -> tuple[list[Item], list[Copy]]:
    """The lines to keep or repeat, in the order of the list, and the changed copies to make."""
    labels = np.array([item.label for item in images.items])
    counts = np.bincount(labels)
    target = target_count(counts[counts > 0], settings.target)
    repeats = np.ones(len(labels), int)
    random = np.random.default_rng(seed)
    for label in np.flatnonzero(counts):
        mine = np.flatnonzero(labels == label)
        repeats[mine] = _repeats(len(mine), target, settings, random)
    if settings.method != "jitter":
        return [item for item, n in zip(images.items, repeats, strict=True) for _ in range(n)], []
    copies = [Copy(item, k) for item, n in zip(images.items, repeats, strict=True) for k in range(1, n)]
    return list(images.items), copies


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
    repeats[random.permutation(count)[:remainder]] += 1
    return np.minimum(repeats, settings.max_repeat) if settings.max_repeat else repeats


def target_count(counts: NDArray[np.int64], target: str | int) -> int:
    """Images per class: a number, or the max, min, median or mean of the classes' counts."""
    if isinstance(target, int):
        return target
    choices = {"max": counts.max(), "min": counts.min(), "median": np.median(counts), "mean": counts.mean()}
    return int(choices[target])


def _refuse_overlap(source: Path, images: ImageList) -> None:
    """A validation or test list must stay as it is, and apart."""
    if source.is_dir():
        return
    ours = {images.file(item).resolve() for item in images.items}
    for name in ("val.txt", "test.txt"):
        other = source.parent / name
        if other == source:
            raise UsageError(f"{source} is a validation or test list", "balance the training list only")
        if other.is_file() and other.stat().st_size:
            held = read_source(other)
            shared = [item.path for item in held.items if held.file(item).resolve() in ours]
            if shared:
                raise DataError(
                    f"{source}: {len(shared)} images stand in {other} too, first {shared[0]}",
                    "split again: what a model is judged by must not be trained on",
                )


def _report(
    images: ImageList,
    chosen: list[Item],
    copies: list[Copy],
    settings: BalanceSettings,
    out: Path,
    dry_run: bool,
) -> Report:
    before = np.bincount([item.label for item in images.items])
    everything = [*chosen, *(copy.item for copy in copies)]
    after = np.bincount([item.label for item in everything], minlength=len(before))
    names = {images.class_name(label): (int(before[label]), int(n)) for label, n in enumerate(after) if n}
    report = Report("balance")
    report.summary = {
        "method": settings.method,
        "total": int(after.sum()),
        "before": {name: was for name, (was, _) in names.items()},
        "after": {name: now for name, (_, now) in names.items()},
        "copies": len(copies),
        "repeats": len(set(chosen)) < len(chosen),
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
    report.next = f"caffekit gen-lmdb {out / 'balanced.txt'} -o DB"
    return report
