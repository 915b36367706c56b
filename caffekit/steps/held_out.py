"""Lists that a model is judged by must share no image with what it is trained on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from caffekit.errors import DataError, UsageError
from caffekit.formats.image_list import ImageList, read_source

NAMES = ("val.txt", "test.txt", "val.csv", "test.csv")  # as `split` calls them

Key = tuple[int, int] | str


def refuse_held_out(source: Path, images: ImageList, more: Sequence[Path]) -> None:
    """Raise if `source` is a validation or test list, or shares an image with one beside it or in `more`.

    The same image is the same file, under whatever name or link.
    """
    if source.is_file() and source.name in NAMES:
        raise UsageError(f"{source} is a validation or test list", "balance the training list only")
    others = [*more, *_beside(source)]
    if not others:
        return
    ours = set(_files(images))
    for other in others:
        held = read_source(other, several=True)
        shared = [held.items[i].path for i, key in enumerate(_files(held)) if key in ours]
        if shared:
            raise DataError(
                f"{source}: {len(shared)} images stand in {other} too, first {shared[0]}",
                "split again: what a model is judged by must not be trained on",
            )


def _beside(source: Path) -> Iterator[Path]:
    """The lists that `split` wrote together with `source`; the test list of folds is a folder above."""
    if not source.is_file():
        return
    folders = [source.parent, *([source.parent.parent] if source.parent.name.startswith("fold_") else [])]
    for path in [folder / name for folder in folders for name in NAMES]:
        if path.is_file() and path.stat().st_size:
            yield path


def _files(images: ImageList) -> Iterator[Key]:
    """What tells each image's file from all others: device and inode, or its path if it is not there."""
    folders: dict[str, str] = {}
    for item in images.items:
        folder, _, name = item.path.rpartition("/")
        if item.path.startswith("/"):
            path = os.path.realpath(images.file(item))
        else:
            if folder not in folders:
                folders[folder] = os.path.realpath(images.root / folder)
            path = f"{folders[folder]}/{name}"
        try:
            status = os.stat(path)
        except OSError:
            yield path
        else:
            yield status.st_dev, status.st_ino
