"""`gen-lmdb`: an LMDB as convert_imageset writes it, its mean and its preprocessing contract, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from caffekit.config.schema import GenLmdbSettings
from caffekit.config.values import Percent
from caffekit.errors import DataError, UsageError
from caffekit.formats.atomic import atomic_dir, refuse_existing
from caffekit.formats.image_list import ImageList, Item, read_source
from caffekit.formats.label_store import label_vectors
from caffekit.formats.lmdb_store import LmdbReader, LmdbWriter
from caffekit.formats.pairs_list import Group, read_groups
from caffekit.formats.preprocess import Preprocess
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.gen_lmdb_result import SHOWN, Tally, companions, fill_report, finish, write_companions
from caffekit.steps.gen_lmdb_space import needed_bytes, readable, refuse_full_disk
from caffekit.steps.gen_lmdb_vectors import write_vectors
from caffekit.steps.moments import Moments, ThreadMoments
from caffekit.steps.records import Encoding, Made, make_records

SAMPLES = 16  # records compared after writing, besides the count
MAX_KEY = 511  # bytes; LMDB refuses longer keys


def gen_lmdb(
    source: Path,
    out: Path,
    settings: GenLmdbSettings = GenLmdbSettings(),
    options: Options = Options(),
    *,
    root: Path | None = None,
    as_files: bool = False,
    own_pairs: bool = False,
) -> Report:
    """Write the LMDB `out` and, beside it, OUT.{mean.binaryproto,preprocess.yaml,labels.txt,summary.json}.

    With settings.preprocess the training set's contract is followed and neither mean nor contract is written.
    Several or float labels of a CSV go to OUT.labels.lmdb or .h5; each of settings.pairs makes one record.
    EnvironmentProblem (exit 7) before anything is written where the disk has no room for it.
    as_files: with an encoding, PNG files stay PNG (convert_imageset's --encoded). own_pairs: leave pairs with
    images of other lists out instead of refusing them. DataError when more files cannot be read than
    settings.max_rejected allows, or sizes differ; then nothing is left behind.
    """
    refuse_existing(out, options.overwrite)
    contract = contract_of(settings)
    images = read_source(source, root, several=True)
    vectors = label_vectors(images.table, source)
    groups, left_out = read_groups(settings.pairs, images, own=own_pairs) if settings.pairs else ([], 0)
    if vectors is not None or (groups and len(groups[0].items) == 2):
        images = replace(images, classes=None)  # labels are no classes
    report = Report("gen-lmdb")
    if settings.shuffle:
        report.lines.append(f"order: shuffled by seed {options.seed} (--no-shuffle keeps the list's)")
    if left_out:
        report.lines.append(f"pairs: {left_out} name images of other lists and are left out here")
    total, per_record = len(groups or images.items), len(groups[0].items) if groups else 1
    contract = contract.model_copy(update={"images": per_record})
    needed = needed_bytes(images, total, contract, settings.encode, per_record)
    if options.dry_run:
        report.summary = {"would_write": total, "failed": [], "bytes_needed": needed}
        report.lines.insert(0, f"would write {total} records to {out}, about {readable(needed)}")
        return report
    refuse_full_disk(out, needed)
    pixels = settings.mean and not settings.preprocess
    encoding = Encoding(settings.encode, settings.quality, as_files, pixels, settings.verify)
    with atomic_dir(out, options.overwrite) as database, companions(out) as places:
        with LmdbWriter(database, out) as writer:
            tally = _write(images, groups, writer, contract, encoding, settings, options)
        _refuse(tally, images, total, settings.max_rejected)
        _read_back(database, tally)
        if not settings.preprocess:
            contract = finish(contract, tally, settings.mean, out)
        fill_report(report, images, tally, contract, out)
        if vectors is not None:
            write_vectors(places, out, database, vectors[tally.rows], images, settings.label_store, report)
        write_companions(places, images, tally, report, None if settings.preprocess else contract)
    return report


def contract_of(settings: GenLmdbSettings) -> Preprocess:
    """The colour and size rules to follow, without mean: those of --preprocess, else the options'."""
    size = settings.resize
    asked = Preprocess(
        channels=1 if settings.gray else 3,
        color="gray" if settings.gray else "bgr",
        width=size.width if size else None,
        height=size.height if size else None,
        short=settings.resize_short,
        fit=settings.fit,
    )
    if not settings.preprocess:
        return asked
    contract = Preprocess.read(settings.preprocess)
    for key, given in asked.model_dump(exclude_defaults=True).items():
        if getattr(contract, key) != given:
            raise UsageError(
                f"{key} {given} differs from {getattr(contract, key)} in {settings.preprocess}",
                "leave the size and colour options out: the contract rules",
            )
    return contract


def _write(
    images: ImageList,
    groups: Sequence[Group],
    writer: LmdbWriter,
    contract: Preprocess,
    encoding: Encoding,
    settings: GenLmdbSettings,
    options: Options,
) -> Tally:
    """Write all records and count them. DataError at the first image of another size."""
    total = len(groups or images.items)
    order = np.arange(total)
    if settings.shuffle:
        order = np.random.default_rng(options.seed).permutation(total)
    sampled = set(range(0, total, max(1, total // SAMPLES))) | {total - 1}
    tally, moments = Tally(), ThreadMoments()

    def look(made: Made) -> Made:
        """Where all have one size the threads add up the pixels: one alone could not keep up with many."""
        if encoding.pixels and not contract.short and not made.reason:
            _add(moments, made, contract)
        return made

    made = make_records(images, order, contract, encoding, options, groups, look)
    for index, record in enumerate(options.progress(made, total, "gen-lmdb")):
        if record.reason:
            tally.failed.append(record)
            continue
        _check_size(tally, record, contract, images)
        key = _key(index, record.item)
        writer.put(key, record.value)
        tally.labels[record.item.label] += 1
        tally.bytes += len(record.value)
        if record.flaws:
            tally.flawed.append(record)
        if index in sampled:
            tally.samples[key] = record.value
        if images.table:
            tally.rows.append(int(order[index]))
        if encoding.pixels and contract.short:
            _add(tally.moments, record, contract)
    if not contract.short:
        tally.moments = moments.total()
    return tally


def _add(moments: Moments | ThreadMoments, made: Made, contract: Preprocess) -> None:
    if (pixels := made.pixels) is not None:
        for image in np.split(pixels, contract.images, axis=2) if contract.images > 1 else [pixels]:
            moments.add(image)


def _key(index: int, item: Item) -> bytes:
    """convert_imageset's key. A file that failed leaves a gap in the numbers, as there."""
    return f"{index:08d}_{item.path}".encode()[:MAX_KEY]


def _check_size(tally: Tally, record: Made, contract: Preprocess, images: ImageList) -> None:
    if tally.first is None:
        tally.first = record
    first, here = tally.first.shape, record.shape
    if contract.short or first == here:
        return
    sizes = [f"{shape[1]}x{shape[0]}" for shape in (first, here)]
    raise DataError(
        f"images differ in size: {tally.first.item.path} is {sizes[0]}, {record.item.path} is {sizes[1]};"
        " all records of an LMDB must have one size",
        "give --resize WIDTHxHEIGHT",
    )


def _refuse(tally: Tally, images: ImageList, total: int, allowed: int | Percent | None) -> None:
    """DataError naming the unreadable files when there are more than allowed, or none that is readable."""
    failed = len(tally.failed)
    limit = allowed.of(total) if isinstance(allowed, Percent) else allowed or 0
    if failed <= limit and tally.written:
        return
    causes = [f"{images.file(made.item)}: {made.reason}: {made.detail}" for made in tally.failed]
    named = list(dict.fromkeys(causes))  # a balanced list names a file more than once
    more = [f"… and {len(named) - SHOWN} more"] if len(named) > SHOWN else []
    hint = "run `caffekit clean` first and use its clean.txt, or allow some with --max-rejected"
    if all(made.reason == "missing" for made in tally.failed):
        hint = "say what the list's paths are relative to with --root DIR"
    text = [f"{failed} of {total} images cannot be read ({limit} allowed)", *named[:SHOWN], *more]
    raise DataError("\n".join(text), hint)


def _read_back(database: Path, tally: Tally) -> None:
    """What is on disk must be what was written, before it gets its name."""
    with LmdbReader(database) as reader:
        differing = [key for key, value in tally.samples.items() if reader.get(key) != value]
        if len(reader) != tally.written or differing:
            raise DataError(f"{database}: other records are read back than were written", "check the disk")
