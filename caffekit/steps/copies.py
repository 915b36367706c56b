"""Datasets with changed copies of images: what `augment` and `balance --method jitter` both write."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.errors import DataError, os_errors
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.images import BadImage, Image, decode, encode
from caffekit.options import Options
from caffekit.steps.parallel import image_map, thread_map
from caffekit.steps.processes import CRASHED
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
    copies: Iterable[Copy],
    count: int,
    changes: dict[str, Any],
    options: Options,
    what: str,
    kind: str = "png",
    *,
    distinct: bool = False,
) -> Iterator[Item]:
    """Write `out`/images: the originals (linked where possible), then the `count` `copies`; yield all.

    Paths are relative to `out`/images. The pixels depend on the seed, the original's path and the copy's
    number alone; `kind` is the copies' format, png (whose pixels stay) or jpg. Copies of one image that
    follow each other are made from one decoding. distinct: of these, none has the pixels of another or of the
    original; what the changes leave as it was is drawn anew. DataError naming an image that cannot be read.
    """
    images = out / IMAGES
    for item in source.items:
        _link(source.file(item), images / inside(item.path))
        yield Item(inside(item.path), item.label)
    groups = (list(group) for _, group in groupby(_named(source, copies, kind), lambda pair: pair[0].item))
    work = partial(_make, source.bare(), changes, options.seed, kind, distinct)
    made = image_map(work, groups, options, partial(_crashed, source))

    def store(files: list[tuple[Item, bytes]]) -> list[Item]:
        for item, data in files:
            (images / item.path).write_bytes(data)
        return [item for item, _ in files]

    with os_errors("writing", images):
        stored = (item for items in thread_map(store, made, options.jobs) for item in items)
        yield from options.progress(stored, count, what)


def _make(
    source: ImageList,
    changes: dict[str, Any],
    seed: int,
    kind: str,
    distinct: bool,
    group: Sequence[tuple[Copy, str]],
) -> list[tuple[Item, bytes]]:
    """The files of one image's copies."""
    item = group[0][0].item
    image = read(source, item)
    seen = {_digest(image)}
    files = []
    for copy, name in group:
        made = augment_image(image, random_of(copy, seed), changes)
        if distinct:
            made = _unlike(seen, made, image, copy, changes, seed)
        files.append((Item(name, item.label), encode(made, kind)))
    return files


def _crashed(source: ImageList, group: Sequence[tuple[Copy, str]]) -> list[tuple[Item, bytes]]:
    path = source.file(group[0][0].item)
    raise DataError(f"{path}: {CRASHED}", "run `caffekit clean` first, and use its clean.txt")


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


def _named(source: ImageList, copies: Iterable[Copy], kind: str) -> Iterator[tuple[Copy, str]]:
    """Each copy and where it stands: beside its original, never in another's place."""
    crowded = _crowded(source, kind)
    taken = {name for item in source.items if _stem(name := inside(item.path), kind) in crowded}
    for copy in copies:
        number, stem = copy.number, inside(copy.item.path)
        if stem not in crowded:
            yield copy, f"{stem}.{number}.{kind}"
            continue
        while (name := f"{stem}.{number}.{kind}") in taken:
            number += 1
        taken.add(name)
        yield copy, name


def _crowded(source: ImageList, kind: str) -> set[str]:
    """Originals beside which a copy's name may be taken: by another original, or another's copy.

    Few or none: what is kept in mind of millions of others would be large.
    """
    names = (inside(item.path) for item in source.items)
    alike = {stem for name in names if (stem := _stem(name, kind))}
    return alike | {name for item in source.items if (name := inside(item.path)) != item.path}


def _stem(name: str, kind: str) -> str:
    """The original of which `name` may be a copy, or ""."""
    if not name.endswith(f".{kind}"):
        return ""
    stem, _, number = name.removesuffix(f".{kind}").rpartition(".")
    return stem if number.isdecimal() else ""


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
