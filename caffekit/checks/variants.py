"""How else a benchmark image may stand in a training set: mirrored, cropped, framed, turned a little.

A perceptual hash bears recompression and scaling, not these. So a benchmark image is looked for by the hashes
of its changed copies, too.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.checks import features

Gray = NDArray[np.uint8]
SIDE = 64  # of the view that the copies are made from: twice the thumbnail's


class Variant(NamedTuple):
    """A change: the part of the picture that is seen (1: all, more: with a border), where its middle lies
    (shares of the side, from the centre), turned by degrees, mirrored, the grey level of what lies outside.
    """

    name: str
    part: float = 1.0
    right: float = 0.0
    down: float = 0.0
    degrees: float = 0.0
    mirror: bool = False
    outside: int = 0


# Steps so small that every change up to the largest is near one of them: hashes and correlations agree then.
VARIANTS = (
    Variant("mirrored", mirror=True),
    *(Variant("cropped", part) for part in (0.92, 0.84, 0.75)),
    *(Variant("cropped", 0.88, x, y) for x in (-0.05, 0, 0.05) for y in (-0.05, 0, 0.05) if x or y),
    *(Variant("framed", part, outside=grey) for part in (1.08, 1.18) for grey in (0, 128, 255)),
    *(Variant("turned", degrees=angle) for angle in (-7, -4, 4, 7)),
    *(Variant("turned", degrees=angle, outside=255) for angle in (-5, 5)),
    # … and so cropped that no corner is left empty.
    *(Variant("turned", 1 - abs(angle) * 0.018, degrees=angle) for angle in (-7, -4, 4, 7)),
)


def view(gray: Gray) -> Gray:
    """64 × 64 grey, whatever the aspect: what changed copies are made from."""
    return np.asarray(cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def variant_thumb(seen: Gray, aspect: float, variant: Variant) -> Gray:
    """The thumbnail of a changed copy. seen: the view of the original; aspect: its width over its height."""
    angle = np.deg2rad(variant.degrees)
    cos, sin = variant.part * np.cos(angle), variant.part * np.sin(angle)
    # Turned as the picture is, not as its view, whose sides are equal.
    matrix = np.array([[cos, -sin / aspect], [sin * aspect, cos]])
    if variant.mirror:
        matrix[0] = -matrix[0]
    middle = np.full(2, (SIDE - 1) / 2)
    shift = middle + [SIDE * variant.right, SIDE * variant.down] - matrix @ middle
    return features.thumbnail(_warped(seen, np.column_stack([matrix, shift]), variant.outside))


def variant_hashes(seen: Gray, aspect: float) -> NDArray[np.uint64]:
    """The perceptual hash of each of VARIANTS."""
    hashes = [features.phash(variant_thumb(seen, aspect, variant)) for variant in VARIANTS]
    return np.array(hashes, np.uint64)


def _warped(seen: Gray, matrix: NDArray[np.float64], outside: int) -> Gray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    copy = cv2.warpAffine(seen, matrix, (SIDE, SIDE), flags=flags, borderValue=outside)
    return np.asarray(copy, np.uint8)
