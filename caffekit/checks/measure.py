"""One image → one small row of measurements: all that the checks ever see of it.

Runs in a worker process: rows travel, pixels do not.
"""

from __future__ import annotations

import builtins
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
from caffekit.formats.images import BadImage, decode
from caffekit.formats.reduced import Reduced, decode_reduced

SHORT = 128  # pixels of the shorter side that are enough to judge a picture by
LOSSY = ("jpeg", "webp", "avif", "jp2")


@dataclass
class Row:
    """What is known of one image file.

    reason, detail: why it has no pixels, in the words of `clean`; "" when it has. flaws: what is odd about a
    file that can be used. traits: what decoding turns, drops or narrows. lossy: as JPEG
    is. dark, bright: the grey level that 99 % of the pixels stay below, 1 % below. spread: standard
    deviation, grey levels. sharpness: see features.sharpness (nan: cannot be told).
    content: 16 bytes, equal for equal files. look: 8 bytes, equal for equal pixels (and, seldom, for nearly
    equal ones). phash: 64 bits that stay alike for alike pictures. thumb: 32x32 grey. chroma: 4x4x2, signed.
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
    content: builtins.bytes = b""
    look: builtins.bytes = b""
    phash: int = 0
    thumb: NDArray[np.uint8] | None = None
    chroma: NDArray[np.int8] | None = None
    view: NDArray[np.uint8] | None = None
    variants: NDArray[np.uint64] | None = None

    @property
    def edges(self) -> NDArray[np.float16]:
        """features.edges of the thumbnail."""
        return features.edges(np.asarray(self.thumb))


def measure(path: str, benchmark: bool = False) -> Row:
    """The row of the file `path`; one that cannot be read is a row, too, not an error."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading from a pipe could wait forever
            return Row("undecodable", "not a regular file")
        data = Path(path).read_bytes()
    except OSError as error:
        return Row("undecodable", f"cannot be read: {error.strerror or error}")
    row = Row(bytes=len(data), content=_digest(data, 16))
    try:
        reduced = decode_reduced(data, SHORT, row.flaws.append)
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
    _measure_pixels(reduced, row, benchmark)
    return row


def pixels_digest(path: str) -> bytes:
    """16 bytes, equal for files with equal pixels; none if it cannot be read any more."""
    try:
        image = decode(Path(path).read_bytes())
    except (OSError, BadImage):
        return b""
    return _digest(f"{image.shape}".encode() + image.tobytes(), 16)


def _measure_pixels(reduced: Reduced, row: Row, benchmark: bool) -> None:
    image, row.width, row.height = reduced
    colour = features.shrink(image, 64)
    small = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8)
    row.bright, row.dark = features.extremes(small)
    row.spread = float(cv2.meanStdDev(small)[1][0, 0])
    row.sharpness = features.sharpness(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8))
    row.thumb = features.thumbnail(small)
    row.chroma = features.chroma(colour)
    row.phash = features.phash(row.thumb)
    size = f"{row.width}x{row.height}".encode()
    row.look = _digest(size + small.tobytes() + row.chroma.tobytes(), 8)
    if benchmark:
        row.view = variants.view(small)
        row.variants = variants.variant_hashes(row.view, row.width / row.height)


def _digest(data: bytes, size: int) -> bytes:
    return hashlib.sha256(data).digest()[:size]
