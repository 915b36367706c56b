"""`augment`: changed copies of every image of a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.config.schema import AugmentSettings
from caffekit.errors import UsageError
from caffekit.formats.atomic import atomic_dir, refuse_existing, write_bytes, write_text
from caffekit.formats.image_list import ImageList, read_source, write_labels, write_list
from caffekit.formats.images import Image, encode, resize
from caffekit.options import Options
from caffekit.report import Report, dumps
from caffekit.steps.copies import IMAGES, Copy, random_of, read, write_dataset
from caffekit.transforms import TRANSFORMS, augment_image

GRID_ROWS = 8
GRID_SIDE = 96
GRID_GAP = 3  # grey on each side of a cell: dark images on dark would run into each other


def augment(
    source: Path,
    out: Path,
    settings: AugmentSettings = AugmentSettings(copies=1),
    options: Options = Options(),
    *,
    root: Path | None = None,
    grid: Path | None = None,
) -> Report:
    """Write `out`/images and augmented.txt: every image of `source`, and changed copies of each.

    grid: also write a preview PNG there, one row per image. UsageError when nothing would change.
    """
    changes = changes_of(settings)
    if not settings.copies or not changes:
        raise UsageError(
            "augment: nothing to do: give --copies and at least one change",
            f"the changes are {', '.join('--' + name for name in TRANSFORMS)}",
        )
    refuse_existing(out, options.overwrite)
    images = read_source(source, root)
    count = len(images.items) * settings.copies
    report = Report("augment")
    report.summary = {
        "total": len(images.items) + count,
        "originals": len(images.items),
        "copies": count,
        "changes": changes,
        "root": IMAGES,
        "repeats": len(set(images.items)) < len(images.items),
    }
    verb = "would write" if options.dry_run else "wrote"
    report.lines = [f"{verb} {len(images.items)} images and {count} changed copies to {out}"]
    report.next = f"caffekit gen-lmdb {out / 'augmented.txt'} -o DB"
    if options.dry_run:
        return report
    with atomic_dir(out, options.overwrite) as temporary:
        copies = _copies(images, settings.copies)
        items = write_dataset(
            images, temporary, copies, count, changes, options, "augmenting", settings.encode
        )
        write_list(temporary / "augmented.txt", items)
        if images.classes:
            write_labels(temporary / "labels.txt", images.classes)
        write_text(temporary / "summary.json", dumps(report.summary, indent=2) + "\n")
        if grid:  # before `out` has its name: what is there is complete
            write_bytes(grid, _grid(images, settings.copies, changes, options.seed))
    return report


def changes_of(settings: AugmentSettings) -> dict[str, Any]:
    """The transforms that `settings` ask for, as augment_image takes them; {} if there are none."""
    asked = {name: getattr(settings, name) for name in TRANSFORMS if getattr(settings, name)}
    changes = {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()}
    return {**changes, "border": settings.border} if changes else {}


def _copies(images: ImageList, count: int) -> Iterator[Copy]:
    """`count` copies per line of the list; an image that stands in it twice gets others the second time."""
    seen: Counter[str] = Counter()
    for item in images.items:
        first = seen[item.path] * count + 1 if images.copies else 1
        yield from (Copy(item, number) for number in range(first, first + count))
        if images.copies:
            seen[item.path] += 1


def _grid(images: ImageList, count: int, changes: dict[str, Any], seed: int) -> bytes:
    """A PNG: images from all over the list, each followed by its copies."""
    rows = []
    every = images.items[:: max(1, len(images.items) // GRID_ROWS)]
    for item in list(dict.fromkeys(every))[:GRID_ROWS]:
        image = read(images, item)
        copies = [Copy(item, number) for number in range(1, min(count, GRID_ROWS) + 1)]
        shown = [image] + [augment_image(image, random_of(copy, seed), changes) for copy in copies]
        rows.append(np.hstack([_cell(image) for image in shown]))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return encode(np.ascontiguousarray(np.vstack(padded)), "png")


def _cell(image: Image) -> Image:
    side = GRID_SIDE - 2 * GRID_GAP
    cell = np.full((GRID_SIDE, GRID_SIDE, 3), 128, np.uint8)
    cell[GRID_GAP:-GRID_GAP, GRID_GAP:-GRID_GAP] = resize(image, side, side, "pad")
    return cell
