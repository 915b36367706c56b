"""One image → one small row of measurements: all that the checks ever see of it.

Runs in a worker process: rows travel, pixels do not.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.checks import features, variants
from caffekit.formats.image_header import extension_fits, sniff
from caffekit.formats.image_traits import trailing_bytes, traits
from caffekit.formats.images import BadImage, Image, decode

LOSSY = ("jpeg", "webp", "avif", "jp2")


@dataclass
class Row:
    """What is known of one image file.

    reason, detail: why it has no pixels, in the words of `clean`; "" when it has. flaws: what is odd about a
    file that can be used. traits: what decoding turns, drops or narrows. lossy: as JPEG
    is. dark, bright: the grey level that 99 % of the pixels stay below, 1 % below. spread: standard
    deviation, grey levels. sharpness: see features.sharpness (nan: cannot be told).
    bytes_hash, pixels_hash: equal for equal content. phash: 64 bits that stay alike for alike pictures.
    thumb: 32x32 grey. chroma: 4x4x2, signed. edges: features.edges of the thumbnail, for the label check.
    view, variants: of a benchmark image, 64x64 grey and the hashes of its changed copies.
    """

    reason: str = ""
    detail: str = ""
    flaws: list[str] = field(default_factory=list)
    traits: list[str] = field(default_factory=list)
    lossy: bool = False
    bytes: int = 0
    width: int = 0
    height: int = 0
    dark: float = 0.0
    bright: float = 0.0
    spread: float = 0.0
    sharpness: float = float("nan")
    bytes_hash: str = ""
    pixels_hash: str = ""
    phash: int = 0
    thumb: NDArray[np.uint8] | None = None
    chroma: NDArray[np.int16] | None = None
    edges: NDArray[np.float16] | None = None
    view: NDArray[np.uint8] | None = None
    variants: NDArray[np.uint64] | None = None

    @property
    def pixels(self) -> int:
        """Width × height."""
        return self.width * self.height

    @property
    def rank(self) -> tuple[int, int, bool, int]:
        """Of copies the one with the least is best: more pixels, fewer flaws, lossless, else more bytes.

        Of lossless files the number of bytes says nothing: a brightened PNG is often the larger.
        """
        return -self.pixels, len(self.flaws), self.lossy, -self.bytes if self.lossy else 0


def measure(path: str, benchmark: bool = False) -> Row:
    """The row of the file `path`; one that cannot be read is a row, too, not an error."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading from a pipe could wait forever
            return Row("undecodable", "not a regular file")
        data = Path(path).read_bytes()
    except OSError as error:
        return Row("undecodable", f"cannot be read: {error.strerror or error}")
    row = Row(bytes=len(data), bytes_hash=_digest(data))
    try:
        image = decode(data, on_flaw=row.flaws.append)
    except BadImage as error:
        row.reason, row.detail = error.reason, error.detail
        return row
    kind = sniff(data)
    row.lossy = kind in LOSSY
    if not extension_fits(os.path.basename(path), kind):
        row.flaws.append(f"a {kind.upper()} file by another name")
    behind = trailing_bytes(data, kind)
    if behind:
        row.flaws.append(f"{behind} bytes behind the end of the image")
    row.traits = traits(data, kind)
    _measure_pixels(image, row, benchmark)
    return row


def _measure_pixels(image: Image, row: Row, benchmark: bool) -> None:
    row.height, row.width = image.shape[:2]
    row.pixels_hash = _digest(f"{image.shape}".encode() + image.tobytes())
    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    small = features.shrink(gray, 64)
    row.dark, row.bright = np.percentile(small, [99, 1]).tolist()
    row.spread = float(small.std())
    row.sharpness = features.sharpness(gray)
    row.thumb = features.thumbnail(small)
    row.chroma = features.chroma(image)
    row.phash = features.phash(row.thumb)
    row.edges = features.edges(row.thumb)
    if benchmark:
        row.view = variants.view(small)
        row.variants = variants.variant_hashes(row.view, row.width / row.height)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
