"""How else a benchmark image may stand in a training set: mirrored, cropped, framed, turned a little.

A perceptual hash bears recompression and scaling, not these. So a benchmark image is looked for by the hashes
of its changed copies, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.checks import features

Gray = NDArray[np.uint8]
SIDE = 64  # of the view that the copies are made from: twice the thumbnail's
FURTHEST = 0.08  # share of the side that a corner may move when a copy is aligned


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


# Parts of the side, and how many places in each direction: a crop is never far from one of them.
CROPS = ((0.96, 2), (0.92, 3), (0.87, 4), (0.82, 5), (0.77, 6))
TURNS = (2.5, 5, 7.5, 10)


def _crops() -> Iterator[Variant]:
    for part, places in CROPS:
        shifts = np.linspace(-(1 - part) / 2, (1 - part) / 2, places + 2)[1:-1].tolist()
        yield from (Variant("cropped", part, x, y) for x in shifts for y in shifts)


# Steps so small that every change up to the largest is near one of them: hashes and correlations agree then.
VARIANTS = (
    Variant("mirrored", mirror=True),
    *_crops(),
    *(Variant("framed", part, outside=grey) for part in (1.08, 1.18) for grey in (0, 128, 255)),
    *(Variant("turned", degrees=s * a, outside=grey) for a in TURNS for s in (-1, 1) for grey in (0, 255)),
    # … and so cropped that no corner is left empty.
    *(Variant("turned", 1 - a * 0.0175, degrees=s * a) for a in TURNS for s in (-1, 1)),
)


def view(gray: Gray) -> Gray:
    """64 × 64 grey, whatever the aspect: what changed copies are made from."""
    return np.asarray(cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def variant_thumb(seen: Gray, aspect: float, variant: Variant) -> Gray:
    """The thumbnail of a changed copy. seen: the view of the original; aspect: its width over its height."""
    return features.thumbnail(_warped(seen, _matrix(aspect, variant), variant.outside))


def aligned_thumb(seen: Gray, aspect: float, variant: Variant, thumb: Gray) -> Gray:
    """As variant_thumb, but with the cut and the turn moved a little, to where they fit `thumb` best.

    By the enhanced correlation coefficient (Evangelidis and Psarakis 2008).
    """
    there = cv2.resize(thumb, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    matrix = _matrix(aspect, variant).astype(np.float32)
    ends = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        _, found = cv2.findTransformECC(there, seen, matrix.copy(), cv2.MOTION_AFFINE, ends)
    except cv2.error:  # nothing in common: no such alignment
        found = matrix
    corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]], np.float32)
    if np.abs(corners @ (found - matrix).T).max() > FURTHEST * SIDE:
        found = matrix
    return features.thumbnail(_warped(seen, np.asarray(found, np.float64), variant.outside))


def variant_hashes(seen: Gray, aspect: float) -> NDArray[np.uint64]:
    """The perceptual hash of each of VARIANTS."""
    hashes = [features.phash(variant_thumb(seen, aspect, variant)) for variant in VARIANTS]
    return np.array(hashes, np.uint64)


def _matrix(aspect: float, variant: Variant) -> NDArray[np.float64]:
    """From places in the copy to places in the view of the original, 2 × 3."""
    angle = np.deg2rad(variant.degrees)
    cos, sin = variant.part * np.cos(angle), variant.part * np.sin(angle)
    # Turned as the picture is, not as its view, whose sides are equal.
    matrix = np.array([[cos, -sin / aspect], [sin * aspect, cos]])
    if variant.mirror:
        matrix[0] = -matrix[0]
    middle = np.full(2, (SIDE - 1) / 2)
    shift = middle + [SIDE * variant.right, SIDE * variant.down] - matrix @ middle
    return np.column_stack([matrix, shift])


def _warped(seen: Gray, matrix: NDArray[np.float64], outside: int) -> Gray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    copy = cv2.warpAffine(seen, matrix, (SIDE, SIDE), flags=flags, borderValue=outside)
    return np.asarray(copy, np.uint8)
