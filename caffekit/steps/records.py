"""From image files to the records of an LMDB: decode, resize, encode; what cannot be read is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats.datum import datum_array, encoded_datum, image_datum
from caffekit.formats.image_header import sniff
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.images import BadImage, encode
from caffekit.formats.jpeg_bytes import plain_jpeg
from caffekit.formats.pairs_list import Group
from caffekit.formats.preprocess import Preprocess
from caffekit.steps.parallel import thread_map

SNIFFED = {"jpg": "jpeg", "png": "png"}


@dataclass(frozen=True)
class Encoding:
    """How pixels are stored: raw, jpg or png; with `as_files` PNG files stay PNG, others become `kind`.

    pixels: whether they are wanted (for a mean) where a file's own bytes are taken over. verify: whether such
    files are looked through for damage.
    """

    kind: str = "raw"
    quality: int = 95
    as_files: bool = False
    pixels: bool = True
    verify: bool = True


@dataclass(frozen=True)
class Made:
    """One image's record, its shape (HWC) and the pixels that a net will see of it; or why there is none."""

    item: Item
    value: bytes = b""
    pixels: NDArray[Any] | None = None
    reason: str = ""
    detail: str = ""
    flaws: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()


def make_records(
    images: ImageList,
    order: Iterable[int],
    contract: Preprocess,
    encoding: Encoding,
    jobs: int,
    groups: Sequence[Group] = (),
) -> Iterator[Made]:
    """The records of `images` (or of `groups` of them) in `order`, made by `jobs` threads."""

    def make(index: int) -> Made:
        if groups:
            return make_group(images, groups[index], contract)
        return make_record(images, images.items[index], contract, encoding)

    return thread_map(make, order, jobs)


def make_record(images: ImageList, item: Item, contract: Preprocess, encoding: Encoding) -> Made:
    """The Datum of one image, or the reason (a word of `clean`, or "missing") why it cannot be made."""
    flaws: list[str] = []
    try:
        data = images.file(item).read_bytes()
        if taken := _taken_over(data, item, contract, encoding):
            return taken
        image = contract.read_image(data, flaws.append)
    except FileNotFoundError:
        return Made(item, reason="missing", detail="no such file")
    except OSError as error:
        return Made(item, reason="unreadable", detail=error.strerror or str(error))
    except BadImage as error:
        return Made(item, reason=error.reason, detail=error.detail)
    if encoding.kind == "raw":
        value, pixels = image_datum(image, item.label).SerializeToString(), image
    else:
        value, pixels = _encoded(data, image, item.label, encoding)
    return Made(item, value, pixels, flaws=tuple(flaws), shape=image.shape)


def make_group(images: ImageList, group: Group, contract: Preprocess) -> Made:
    """The Datum of two or three images, one behind the other along the channels; or why the first fails."""
    each = [make_record(images, item, contract, Encoding()) for item in group.items]
    if failed := next((made for made in each if made.reason), None):
        return failed
    if len({made.shape for made in each}) > 1:
        sizes = " and ".join(f"{made.shape[1]}x{made.shape[0]}" for made in each)
        return replace(each[1], reason="other-size", detail=f"the images of a record are {sizes}")
    pixels = np.concatenate([made.pixels for made in each if made.pixels is not None], axis=2)
    value = image_datum(pixels, group.label).SerializeToString()
    flaws = tuple(flaw for made in each for flaw in made.flaws)
    return Made(Item(group.name, group.label), value, pixels, flaws=flaws, shape=pixels.shape)


def _taken_over(data: bytes, item: Item, contract: Preprocess, encoding: Encoding) -> Made | None:
    """The record with a JPEG file's own bytes, undecoded: where that is all that is wanted of it."""
    sized = contract.width or contract.short
    if encoding.kind != "jpg" or encoding.pixels or contract.gray or sized:
        return None
    size = plain_jpeg(data, encoding.verify)
    if size is None:
        return None
    return Made(item, encoded_datum(data, item.label).SerializeToString(), shape=(*size, 3))


def _encoded(data: bytes, image: NDArray[np.uint8], label: int, encoding: Encoding) -> tuple[bytes, Any]:
    """The record with an encoded file, and the pixels that Caffe will decode from it.

    The file's own bytes are kept where Caffe, which decodes without turning and without changing channels,
    sees the same image in them.
    """
    found = sniff(data)
    kind = "png" if encoding.as_files and found == "png" else encoding.kind
    if found == SNIFFED[kind]:
        same = encoded_datum(data, label)
        seen = _seen(same)
        if seen is not None and np.array_equal(seen, image):
            return same.SerializeToString(), image
    datum = encoded_datum(encode(image, kind, encoding.quality), label)
    return datum.SerializeToString(), image if kind == "png" else _seen(datum)


def _seen(datum: Any) -> NDArray[Any] | None:
    """What Caffe decodes, HWC; None where it cannot."""
    try:
        return datum_array(datum).transpose(1, 2, 0)
    except FormatError:
        return None
