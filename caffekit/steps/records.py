"""From image files to the records of an LMDB: decode, resize, encode; what cannot be read is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import FormatError
from caffekit.formats.datum import datum_array, encoded_datum, image_datum
from caffekit.formats.image_header import sniff
from caffekit.formats.image_list import ImageList, Item
from caffekit.formats.images import BadImage, encode
from caffekit.formats.preprocess import Preprocess
from caffekit.steps.parallel import thread_map

SNIFFED = {"jpg": "jpeg", "png": "png"}


@dataclass(frozen=True)
class Encoding:
    """How pixels are stored: raw, jpg or png; with `as_files` PNG files stay PNG, others become `kind`."""

    kind: str = "raw"
    quality: int = 95
    as_files: bool = False


@dataclass(frozen=True)
class Made:
    """One image's record and the pixels that a net will see of it; or why there is none."""

    item: Item
    value: bytes = b""
    pixels: NDArray[Any] | None = None
    reason: str = ""
    detail: str = ""
    flaws: tuple[str, ...] = ()


def make_records(
    images: ImageList, order: Iterable[int], contract: Preprocess, encoding: Encoding, jobs: int
) -> Iterator[Made]:
    """The records of `images` in `order`, made by `jobs` threads."""

    def make(index: int) -> Made:
        return make_record(images, images.items[index], contract, encoding)

    return thread_map(make, order, jobs)


def make_record(images: ImageList, item: Item, contract: Preprocess, encoding: Encoding) -> Made:
    """The Datum of one image, or the reason (a word of `clean`, or "missing") why it cannot be made."""
    flaws: list[str] = []
    try:
        data = images.file(item).read_bytes()
        image = contract.read_image(data, flaws.append)
    except FileNotFoundError:
        return Made(item, reason="missing", detail="no such file")
    except OSError as error:
        return Made(item, reason="unreadable", detail=error.strerror or str(error))
    except BadImage as error:
        return Made(item, reason=error.reason, detail=error.detail)
    if encoding.kind == "raw":
        return Made(item, image_datum(image, item.label).SerializeToString(), image, flaws=tuple(flaws))
    return Made(item, *_encoded(data, image, item.label, encoding), flaws=tuple(flaws))


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
