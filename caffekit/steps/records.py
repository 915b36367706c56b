"""From image files to the records of an LMDB: decode, resize, encode; what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats.datum import decode_planes, encoded_record, image_record, record_planes
from caffekit.formats.image_header import sniff
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.images import BadImage, encode
from caffekit.formats.jpeg_bytes import plain_jpeg
from caffekit.formats.pairs_list import Group
from caffekit.formats.preprocess import Preprocess
from caffekit.options import Options
from caffekit.steps.parallel import image_map
from caffekit.steps.processes import CRASHED

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
    """One image's record and its shape (HWC); or why there is none."""

    item: Item
    value: bytes = b""
    decoded: NDArray[Any] | None = None
    """Of an encoded record, where they are known."""
    reason: str = ""
    detail: str = ""
    flaws: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def pixels(self) -> NDArray[Any] | None:
        """The pixels (HWC) that a net will see; None where a file's own bytes were taken over undecoded."""
        if self.decoded is not None:
            return self.decoded
        planes = record_planes(self.value)
        return None if planes is None else planes.transpose(1, 2, 0)


def make_records(
    images: ImageList,
    order: Iterable[int],
    contract: Preprocess,
    encoding: Encoding,
    options: Options,
    groups: Sequence[Group] = (),
    here: Callable[[Made], Made] = lambda made: made,
) -> Iterator[Made]:
    """The records of `images` (or of `groups` of them) in `order`, made by threads or on a cluster.

    Each goes through `here`, in this process, in no order and by several threads at a time.
    """
    wanted = (groups[i] if groups else images.items[i] for i in order)
    return image_map(partial(_make, images.bare(), contract, encoding), wanted, options, _crashed, here)


def _make(images: ImageList, contract: Preprocess, encoding: Encoding, wanted: Item | Group) -> Made:
    if isinstance(wanted, Group):
        return make_group(images, wanted, contract)
    return make_record(images, wanted, contract, encoding)


def _crashed(wanted: Item | Group) -> Made:
    item = wanted if isinstance(wanted, Item) else wanted.items[0]
    return Made(item, reason="undecodable", detail=CRASHED)


def make_record(images: ImageList, item: Item, contract: Preprocess, encoding: Encoding) -> Made:
    """The Datum of one image, or the reason (a word of `clean`, or "missing") why it cannot be made."""
    flaws: list[str] = []
    try:
        data = images.read(item)
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
        value, decoded = image_record(image, item.label), None
    else:
        value, decoded = _encoded(data, image, item.label, encoding)
    return Made(item, value, decoded, flaws=tuple(flaws), shape=image.shape)


def make_group(images: ImageList, group: Group, contract: Preprocess) -> Made:
    """The Datum of two or three images, one behind the other along the channels; or why the first fails."""
    each = [make_record(images, item, contract, Encoding()) for item in group.items]
    if failed := next((made for made in each if made.reason), None):
        return failed
    if len({made.shape for made in each}) > 1:
        sizes = " and ".join(f"{made.shape[1]}x{made.shape[0]}" for made in each)
        return replace(each[1], reason="other-size", detail=f"the images of a record are {sizes}")
    pixels = np.concatenate([made.pixels for made in each if made.pixels is not None], axis=2)
    flaws = tuple(flaw for made in each for flaw in made.flaws)
    item = Item(group.name, group.label)
    return Made(item, image_record(pixels, group.label), flaws=flaws, shape=pixels.shape)


def _taken_over(data: bytes, item: Item, contract: Preprocess, encoding: Encoding) -> Made | None:
    """The record with a JPEG file's own bytes, undecoded: where that is all that is wanted of it."""
    sized = contract.width or contract.short
    if encoding.kind != "jpg" or encoding.pixels or contract.gray or sized:
        return None
    size = plain_jpeg(data, encoding.verify)
    if size is None:
        return None
    return Made(item, encoded_record(data, item.label), shape=(*size, 3))


def _encoded(data: bytes, image: NDArray[np.uint8], label: int, encoding: Encoding) -> tuple[bytes, Any]:
    """The record with an encoded file, and the pixels that Caffe will decode from it.

    The file's own bytes are kept where Caffe, which decodes without turning and without changing channels,
    sees the same image in them.
    """
    found = sniff(data)
    kind = "png" if encoding.as_files and found == "png" else encoding.kind
    if found == SNIFFED[kind]:
        seen = _seen(data)
        if seen is not None and np.array_equal(seen, image):
            return encoded_record(data, label), image
    made = encode(image, kind, encoding.quality)
    return encoded_record(made, label), image if kind == "png" else _seen(made)


def _seen(data: bytes) -> NDArray[Any] | None:
    """What Caffe decodes of a file, HWC; None where it cannot."""
    try:
        return decode_planes(data, "", cv2.IMREAD_UNCHANGED).transpose(1, 2, 0)
    except FormatError:
        return None
