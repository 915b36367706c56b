"""What gen-lmdb leaves beside the database: mean, contract, labels, summary; and what it reports."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from caffekit.formats.atomic import remove, sweep, write_text
from caffekit.formats.binaryproto import write_mean
from caffekit.formats.image_list import ImageList, relative_root, write_labels
from caffekit.formats.preprocess import Preprocess, division_by, labels_path, mean_path, preprocess_path
from caffekit.report import Report, dumps
from caffekit.steps.moments import Moments
from caffekit.steps.records import Made

SHOWN = 20  # files named in messages; the rest is counted


@dataclass
class Tally:
    """What one pass over the images found."""

    moments: Moments = field(default_factory=Moments)
    labels: Counter[int] = field(default_factory=Counter)
    failed: list[Made] = field(default_factory=list)
    flawed: list[Made] = field(default_factory=list)
    samples: dict[bytes, bytes] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    """Of a CSV, the rows of the records, in their order."""
    bytes: int = 0
    first: Made | None = None

    @property
    def written(self) -> int:
        """Records in the database."""
        return sum(self.labels.values())


def finish(contract: Preprocess, tally: Tally, mean: bool, out: Path) -> Preprocess:
    """The contract with the size that all images have and, with `mean`, mean and standard deviation."""
    size: dict[str, object] = {}
    if not contract.short and tally.first is not None:
        size = dict(zip(("height", "width"), tally.first.shape[:2], strict=True))
    if not mean:
        return contract.model_copy(update=size)
    moments, std = tally.moments, tally.moments.std()
    mean_file = mean_path(out).name if moments.one_size else None
    found = {"mean_values": moments.mean(), "mean_file": mean_file, "std": std, **division_by(std)}
    return contract.model_copy(update={**size, **found})


def fill_report(report: Report, images: ImageList, tally: Tally, contract: Preprocess, out: Path) -> None:
    """The summary, lines and warnings of a database that stands."""
    channels = contract.channels * contract.images
    failed = [{"path": made.item.path, "reason": made.reason, "detail": made.detail} for made in tally.failed]
    report.summary = {
        "database": str(out),
        "root": relative_root(images.root, out.parent),
        "written": tally.written,
        "failed": failed,
        "bytes": tally.bytes,
        "shape": None if contract.short else [channels, contract.height, contract.width],
        "mean": contract.mean_values,
        "std": contract.std,
        "labels": {str(label): tally.labels[label] for label in sorted(tally.labels)},
    }
    size = f"short side {contract.short}" if contract.short else f"{contract.width}x{contract.height}"
    report.lines.insert(0, f"wrote {tally.written} records ({size}, {contract.color}) to {out}")
    if tally.moments.count:
        mean, std = (" ".join(f"{v:.2f}" for v in values) for values in (contract.mean_values, contract.std))
        report.lines.append(f"mean {mean}, std {std} → {preprocess_path(out)}")
    _warn(report, images, tally, contract)


def _warn(report: Report, images: ImageList, tally: Tally, contract: Preprocess) -> None:
    for made in tally.failed[:SHOWN]:
        report.warnings.append(f"left out {images.file(made.item)}: {made.reason}: {made.detail}")
    if len(tally.failed) > SHOWN:
        report.warnings.append(f"left out {len(tally.failed) - SHOWN} more; the summary names all")
    for made in tally.flawed[:SHOWN]:
        report.warnings.append(f"{images.file(made.item)}: harmless flaw: {'; '.join(made.flaws)}")
    if len(tally.flawed) > SHOWN:
        report.warnings.append(f"… and {len(tally.flawed) - SHOWN} more files with harmless flaws")
    classes = len(images.classes) if images.classes else max(tally.labels) + 1
    absent = [images.class_name(label) for label in range(classes) if not tally.labels[label]]
    if absent:
        more = " …" if len(absent) > 10 else ""
        report.warnings.append(f"no image of {len(absent)} classes: {', '.join(absent[:10])}{more}")
    if contract.short:
        report.warnings.append("records may differ in size: the net needs a crop_size and mean_values")


@contextmanager
def companions(out: Path) -> Iterator[dict[str, Path]]:
    """Temporary paths of the files beside the database `out`; those written get their names at the end.

    Those not written are removed: a stale mean must not stay beside new images.
    """
    places = {
        "mean": mean_path(out),
        "contract": preprocess_path(out),
        "labels": labels_path(out),
        "summary": out.with_name(f"{out.name}.summary.json"),
        "label_lmdb": out.with_name(f"{out.name}.labels.lmdb"),
        "label_hdf5": out.with_name(f"{out.name}.labels.h5"),
        "label_source": out.with_name(f"{out.name}.labels.h5.txt"),
    }
    for path in places.values():
        sweep(path)
    temporary = {kind: path.with_name(f".{path.name}.tmp-{os.getpid()}") for kind, path in places.items()}
    try:
        yield temporary
        for kind, path in places.items():
            if path.is_dir() or not temporary[kind].exists():
                remove(path)
            if temporary[kind].exists():
                os.replace(temporary[kind], path)
    finally:
        for path in temporary.values():
            remove(path)


def write_companions(
    places: dict[str, Path], images: ImageList, tally: Tally, report: Report, contract: Preprocess | None
) -> None:
    """Write the files beside the database; mean and `contract` only for a training set."""
    if contract:
        contract.write(places["contract"])
        mean = tally.moments.mean_image() if contract.mean_file else None
        if mean is not None:
            write_mean(places["mean"], np.concatenate([mean] * contract.images))
    if images.classes:
        write_labels(places["labels"], images.classes)
    write_text(places["summary"], dumps(report.summary, indent=2) + "\n")
