"""Measure each image of a set, and of its benchmarks, for `clean`: in child processes or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from caffekit.checks.alike import unlike_files
from caffekit.checks.measure import Row
from caffekit.checks.subject import Subject
from caffekit.checks.table import Table
from caffekit.config.schema import CleanSettings
from caffekit.errors import os_errors
from caffekit.formats.image_list import ImageList
from caffekit.options import Options
from caffekit.steps.clean_worker import File, pixels_of, row_of, silently
from caffekit.steps.processes import CRASHED, process_map

R = TypeVar("R")


class _Files(Sequence[File]):
    """The file of every image, made when it is asked for: a million paths need not be there at once."""

    def __init__(self, images: ImageList, benchmark: Sequence[str]) -> None:
        self.images, self.benchmark = images, benchmark

    def __len__(self) -> int:
        return len(self.images.items) + len(self.benchmark)

    def __getitem__(self, index: Any) -> Any:
        count = len(self.images.items)
        if index < count:
            return os.path.abspath(self.images.file(self.images.items[index])), False
        return os.path.abspath(self.benchmark[index - count]), True


def measured(
    images: ImageList, benchmark: Sequence[ImageList], settings: CleanSettings, options: Options, folder: Path
) -> Subject:
    """Measure every image of the set and of the benchmark sets. folder: where temporary files may stand."""
    bench_paths = [str(each.file(item)) for each in benchmark for item in each.items]
    files = _Files(images, bench_paths)
    with os_errors("writing", folder):
        rows = options.progress(_mapped(row_of, files, options, _crashed), len(files), "clean")
        table = Table(rows, len(images.items), len(files), folder)
    return Subject(
        rows=table,
        paths=[item.path for item in images.items],
        labels=np.fromiter((item.label for item in images.items), np.int64, len(images.items)),
        bench_paths=bench_paths,
        classes=images.classes,
        near_distance=settings.near_distance,
        min_size=settings.min_size,
        limits={str(name): limit for name, limit in settings.limits.items()},
        pixels=_pixels(table, files, options),
    )


def _pixels(table: Table, files: _Files, options: Options) -> dict[bytes, bytes]:
    """The digest of the pixels of the few that look the same in different files, by that of the file."""
    unlike = unlike_files(table)
    digests = _mapped(pixels_of, [files[i] for i in unlike], options, lambda file: b"")
    contents = (content.tobytes() for content in table.columns["content"][unlike])
    return dict(zip(contents, digests, strict=True))


def _mapped(
    work: Callable[[File], R], files: Sequence[File], options: Options, crashed: Callable[[File], R]
) -> Iterator[R]:
    """`work` of each file, in order, from child processes or a cluster."""
    if not options.scheduler:
        return process_map(partial(silently, work), files, options.jobs, crashed)
    from caffekit.steps.cluster import cluster_map

    # In a worker of a cluster, whose threads share stderr, the decoders may have their say.
    return cluster_map(work, files, options.scheduler, crashed)


def _crashed(file: File) -> Row:
    return Row("undecodable", CRASHED)
