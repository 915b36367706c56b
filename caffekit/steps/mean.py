"""`mean`: the mean image of an LMDB or of a set of images, as compute_image_mean writes it."""

from __future__ import annotations

from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.config.schema import GenLmdbSettings
from caffekit.errors import DataError, FormatError
from caffekit.formats.atomic import refuse_existing
from caffekit.formats.binaryproto import write_mean
from caffekit.formats.datum import datum_array, parse_datum, record_planes
from caffekit.formats.image_list import read_source
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.gen_lmdb import contract_of
from caffekit.steps.moments import Moments
from caffekit.steps.parallel import thread_map
from caffekit.steps.records import Encoding, make_records

Array = NDArray[Any]
View = tuple[memoryview, memoryview]

CHUNK = 64  # records that a thread adds up at a time


def mean(
    source: Path,
    out: Path,
    settings: GenLmdbSettings = GenLmdbSettings(),
    options: Options = Options(),
    *,
    root: Path | None = None,
) -> Report:
    """Write the mean image of `source` to `out`, and report mean and standard deviation per channel.

    An LMDB is read as it is; the images of a list or folder are sized and coloured as settings say.
    DataError naming the first image that cannot be read or has another size.
    """
    refuse_existing(out, options.overwrite)
    if source.suffix == ".mdb" or (source / "data.mdb").is_file():
        moments, total = _of_database(source, options)
    else:
        moments, total = _of_images(source, root, settings, options)
    return _report(moments, out, total, options.dry_run)


def _report(moments: Moments, out: Path, total: int, dry_run: bool) -> Report:
    report = Report("mean")
    image = moments.mean_image()
    if dry_run or image is None:
        report.summary = {"would_read": total}
        report.lines = [f"would write the mean of {total} images to {out}"]
        return report
    write_mean(out, image)
    report.summary = {
        "out": str(out),
        "images": moments.count,
        "shape": list(image.shape),
        "mean": moments.mean(),
        "std": moments.std(),
    }
    values = (" ".join(f"{v:.4f}" for v in each) for each in (moments.mean(), moments.std()))
    report.lines = [f"wrote the mean of {moments.count} images to {out}", "mean {}, std {}".format(*values)]
    return report


def _of_database(path: Path, options: Options) -> tuple[Moments, int]:
    """The sums over all records, and how many there are."""
    reader = LmdbReader(path)
    first = _planes(path, *reader.first())
    total = len(reader)
    if options.dry_run:
        return Moments(), total
    # One for each thread, as they may be large. Floats, whose sums depend on the order, are added in one.
    parts: deque[Moments] = deque()
    jobs = options.jobs if first.dtype == np.uint8 else 1

    def add(chunk: list[View]) -> int:
        try:
            part = parts.pop()
        except IndexError:
            part = Moments()
        for key, value in chunk:
            planes = _planes(path, key, value)
            if planes.shape != first.shape:
                raise _other_size(_name(path, key), planes.shape[1:], "make it again with one size")
            part.add(planes.transpose(1, 2, 0))
        parts.append(part)
        return len(chunk)

    with reader.views() as records:
        chunks = iter(lambda: list(islice(records, CHUNK)), [])
        counts = thread_map(add, chunks, jobs)
        for _ in options.progress((i for count in counts for i in range(count)), total, "mean"):
            pass
    moments = Moments()
    for part in parts:
        moments.merge(part)
    return moments, total


def _planes(path: Path, key: bytes | memoryview, value: bytes | memoryview) -> Array:
    """The pixels of a record, CHW. FormatError naming it."""
    planes = record_planes(value)
    if planes is not None:
        return planes
    name = _name(path, key)
    return datum_array(parse_datum(bytes(value), name), name)


def _name(path: Path, key: bytes | memoryview) -> str:
    return f"{path}: record {bytes(key).decode(errors='replace')}"


def _other_size(name: str, size: tuple[int, ...], hint: str) -> DataError:
    return DataError(f"{name} is {size[1]}x{size[0]}, the images before it are not", hint)


def _of_images(
    path: Path, root: Path | None, settings: GenLmdbSettings, options: Options
) -> tuple[Moments, int]:
    """The sums over all images of a list or folder, and how many there are."""
    images = read_source(path, root)
    moments, total = Moments(), len(images.items)
    if options.dry_run:
        return moments, total
    made = make_records(images, range(total), contract_of(settings), Encoding(), options)
    for record in options.progress(made, total, "mean"):
        name = str(images.file(record.item))
        if record.pixels is None:
            raise FormatError(f"{name}: {record.reason}: {record.detail}", "run `caffekit clean` first")
        moments.add(record.pixels)
        if not moments.one_size:
            raise _other_size(name, record.pixels.shape, "give --resize WIDTHxHEIGHT")
    return moments, total
