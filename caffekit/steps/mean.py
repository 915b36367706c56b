"""`mean`: the mean image of an LMDB or of a set of images, as compute_image_mean writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from caffekit.config.schema import GenLmdbSettings
from caffekit.errors import DataError, FormatError
from caffekit.formats.atomic import refuse_existing
from caffekit.formats.binaryproto import write_mean
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.image_list import read_source
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.gen_lmdb import contract_of
from caffekit.steps.moments import Moments
from caffekit.steps.parallel import thread_map
from caffekit.steps.records import Encoding, make_records

Array = NDArray[Any]


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
    is_database = source.suffix == ".mdb" or (source / "data.mdb").is_file()
    if is_database:
        total, arrays = _database_images(source, options)
    else:
        total, arrays = _source_images(source, root, settings, options)
    moments = Moments()
    if not options.dry_run:
        for name, image in options.progress(arrays, total, "mean"):
            moments.add(image)
            if not moments.one_size:
                hint = "give --resize WIDTHxHEIGHT" if not is_database else "make it again with one size"
                raise DataError(
                    f"{name} is {image.shape[1]}x{image.shape[0]}, the images before it are not", hint
                )
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


def _database_images(path: Path, options: Options) -> tuple[int, Iterator[tuple[str, Array]]]:
    """The number of records, and (key, pixels HWC) of each."""
    reader = LmdbReader(path)
    reader.first()

    def pixels(record: tuple[bytes, bytes]) -> tuple[str, Array]:
        name = f"{path}: record {record[0].decode(errors='replace')}"
        return name, datum_array(parse_datum(record[1], name), name).transpose(1, 2, 0)

    return len(reader), thread_map(pixels, reader.records(), options.jobs)


def _source_images(
    path: Path, root: Path | None, settings: GenLmdbSettings, options: Options
) -> tuple[int, Iterator[tuple[str, Array]]]:
    """The number of images, and (path, pixels HWC) of each."""
    images = read_source(path, root)
    made = make_records(images, range(len(images.items)), contract_of(settings), Encoding(), options)

    def pixels() -> Iterator[tuple[str, Array]]:
        for record in made:
            name = str(images.file(record.item))
            if record.pixels is None:
                raise FormatError(f"{name}: {record.reason}: {record.detail}", "run `caffekit clean` first")
            yield name, record.pixels

    return len(images.items), pixels()
