"""Datasets with changed copies of images: what `augment` and `balance --method jitter` both write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffekit.errors import DataError, os_errors
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.images import BadImage, Image, decode, encode
from caffekit.options import Options
from caffekit.transforms import augment_image, random_for

IMAGES = "images"


@dataclass(frozen=True)
class Copy:
    """The `number`-th changed copy of an image."""

    item: Item
    number: int


def write_dataset(
    source: ImageList, out: Path, copies: Sequence[Copy], changes: dict[str, Any], options: Options, what: str
) -> list[Item]:
    """Write `out`/images: the originals (linked where possible) and `copies`; the list of both.

    Paths are relative to `out`/images. The pixels depend on the seed, the original's path and the copy's
    number alone. DataError naming an image that cannot be read.
    """
    images = out / IMAGES
    for item in source.items:
        _link(source.file(item), images / inside(item.path))

    def write(copy: Copy, name: str) -> Item:
        image = changed(source, copy, changes, options.seed)
        target = images / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode(image, "png"))
        return Item(name, copy.item.label)

    names = _names(source, copies)
    with os_errors("writing", images), ThreadPoolExecutor(options.jobs) as pool:
        made = list(options.progress(pool.map(write, copies, names), len(copies), what))
    return [Item(inside(item.path), item.label) for item in source.items] + made


def changed(source: ImageList, copy: Copy, changes: dict[str, Any], seed: int) -> Image:
    """The pixels of `copy`, gray if the original is."""
    path = source.file(copy.item)
    with os_errors("reading", path):
        data = path.read_bytes()
    try:
        image = decode(data)
    except BadImage as error:
        raise DataError(f"{path}: {error}", "run `caffekit clean` first, and use its clean.txt") from error
    if (image[..., :1] == image).all():
        image = image[..., :1]
    return augment_image(image, random_for(seed, copy.item.path, copy.number), changes)


def inside(path: str) -> str:
    """`path` as a place under images/: what would lead out of it is renamed."""
    parts = [("up" if part == ".." else part) for part in Path(path).parts if part not in ("/", ".")]
    return "/".join(parts)


def _names(source: ImageList, copies: Sequence[Copy]) -> list[str]:
    """Where each copy stands: beside its original, as PNG, whose pixels stay; never in another's place."""
    taken = {inside(item.path) for item in source.items}
    names = []
    for copy in copies:
        number, stem = copy.number, inside(copy.item.path)
        while (name := f"{stem}.{number}.png") in taken:
            number += 1
        taken.add(name)
        names.append(name)
    return names


def _link(source: Path, target: Path) -> None:
    """The original under a new name: a hard link, or a copy where the file system has none."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with os_errors("copying", source):
        try:
            os.link(source.resolve(), target)
        except OSError:
            shutil.copyfile(source, target)
