"""What `clean` does in child processes: a module that imports little, since each of them starts with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from caffekit.checks.measure import Row, measure, pixels_digest
from caffekit.formats.images import silent_decoders
from caffekit.memory import keep_pages

R = TypeVar("R")
File = tuple[str, bool]  # and whether it is a benchmark image


def silently(work: Callable[[File], R], file: File) -> R:
    """`work` of a file, with decoders that keep their complaints to themselves."""
    with silent_decoders():
        return work(file)


def row_of(file: File) -> Row:
    """What is measured of a file."""
    _prepare()
    return measure(*file)


def pixels_of(file: File) -> bytes:
    """The digest of all its pixels."""
    _prepare()
    return pixels_digest(file[0])


@cache
def _prepare() -> None:
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores
    keep_pages()
