"""Datasets with changed copies of images: what `augment` and `balance --method jitter` both write."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.errors import DataError, os_errors
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.images import BadImage, Image, decode, encode
from caffekit.options import Options
from caffekit.steps.parallel import thread_map
from caffekit.transforms import augment_image, random_for

IMAGES = "images"
ATTEMPTS = 40  # draws for a copy that must differ from all others
CALM = 4  # of them with the changes alone; then noise is added, and more each time
APART = 1_000_000_007  # between the numbers of two draws: no image has so many copies


@dataclass(frozen=True)
class Copy:
    """The `number`-th changed copy of an image."""

    item: Item
    number: int


def write_dataset(
    source: ImageList,
    out: Path,
    copies: Sequence[Copy],
    changes: dict[str, Any],
    options: Options,
    what: str,
    kind: str = "png",
    *,
    distinct: bool = False,
) -> list[Item]:
    """Write `out`/images: the originals (linked where possible) and `copies`; the list of both.

    Paths are relative to `out`/images. The pixels depend on the seed, the original's path and the copy's
    number alone; `kind` is the copies' format, png (whose pixels stay) or jpg. Copies of one image that
    follow each other are made from one decoding. distinct: of these, none has the pixels of another or of the
    original; what the changes leave as it was is drawn anew. DataError naming an image that cannot be read.
    """
    images = out / IMAGES
    for item in source.items:
        _link(source.file(item), images / inside(item.path))

    def write(group: list[tuple[Copy, str]]) -> list[Item]:
        item = group[0][0].item
        image = read(source, item)
        seen = {_digest(image)}
        for copy, name in group:
            made = augment_image(image, random_of(copy, options.seed), changes)
            if distinct:
                made = _unlike(seen, made, image, copy, changes, options.seed)
            (images / name).write_bytes(encode(made, kind))
        return [Item(name, item.label) for _, name in group]

    named = zip(copies, _names(source, copies, kind), strict=True)
    groups = (list(group) for _, group in groupby(named, lambda pair: pair[0].item))
    with os_errors("writing", images):
        made = (item for items in thread_map(write, groups, options.jobs) for item in items)
        written = list(options.progress(made, len(copies), what))
    return [Item(inside(item.path), item.label) for item in source.items] + written


def read(source: ImageList, item: Item) -> Image:
    """The pixels of an image, with one channel if it is gray. DataError naming it."""
    path = source.file(item)
    with os_errors("reading", path):
        data = path.read_bytes()
    try:
        image = decode(data)
    except BadImage as error:
        raise DataError(f"{path}: {error}", "run `caffekit clean` first, and use its clean.txt") from error
    # Most colour images show it in a few pixels.
    gray = all((part[..., :1] == part).all() for part in (image[::16, ::16], image))
    return np.ascontiguousarray(image[..., :1]) if gray else image


def random_of(copy: Copy, seed: int) -> np.random.Generator:
    """The random stream of `copy`."""
    return random_for(seed, copy.item.path, copy.number)


def _unlike(
    seen: set[bytes], made: Image, image: Image, copy: Copy, changes: dict[str, Any], seed: int
) -> Image:
    """`made`, or another copy of `image` if its digest is in `seen`; the digest taken joins them."""
    for attempt in range(1, ATTEMPTS):
        if (digest := _digest(made)) not in seen:
            seen.add(digest)
            return made
        # One colour all over stays itself however it is turned: noise tells its copies apart.
        noise = {"noise": 2.0 * (attempt - CALM)} if attempt > CALM else {}
        again = Copy(copy.item, copy.number + attempt * APART)
        made = augment_image(image, random_of(again, seed), {**changes, **noise})
    raise DataError(
        f"{copy.item.path} is too small for {copy.number} copies that all differ",
        "give --max-repeat, or leave the image out",
    )


def _digest(image: Image) -> bytes:
    digest: bytes = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    return digest


def inside(path: str) -> str:
    """`path` as a place under images/: what would lead out of it is renamed."""
    parts = [("up" if part == ".." else part) for part in Path(path).parts if part not in ("/", ".")]
    return "/".join(parts)


def _names(source: ImageList, copies: Sequence[Copy], kind: str) -> list[str]:
    """Where each copy stands: beside its original, never in another's place."""
    taken = {inside(item.path) for item in source.items}
    names = []
    for copy in copies:
        number, stem = copy.number, inside(copy.item.path)
        while (name := f"{stem}.{number}.{kind}") in taken:
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
