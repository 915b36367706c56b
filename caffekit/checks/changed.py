"""Images of the set that show a benchmark image mirrored, cropped, framed or turned a little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.correlation import correlations, standardised
from caffekit.checks.hamming import pairs_within
from caffekit.checks.measure import Row
from caffekit.checks.variants import VARIANTS, variant_thumb

# A change is near one of VARIANTS, not the same: its correlation may be so many times as far from 1 as copies
# may be, but only where no other image of this set comes near: seven digits look like a turned one.
WIDER = 3.0
SPREADS = 4.0  # … of the logarithm of the distance of the nearest image that is none
SAMPLED, SAMPLE, LEAST_SAMPLE = 128, 2048, 32
MAX_CHROMA = 24
BATCH = 4096


def changed_copies(
    rows: Sequence[Row], bench: Sequence[int], images: Sequence[int], distance: int, gap: float
) -> Iterator[tuple[int, int, float, str]]:
    """(benchmark image, image, correlation, change): for each of `images` at most one.

    bench, images: indices into `rows`. distance: bits of the hash. gap: how far below 1 the correlation of
    plain copies may be.
    """
    known = len(bench) * len(VARIANTS)
    theirs = np.array([rows[b].variants for b in bench], np.uint64).ravel()
    apart = _wider(rows, bench, images, gap)
    hashes = np.concatenate([theirs, np.array([rows[i].phash for i in images], np.uint64)])
    found = np.zeros(len(images), bool)
    for codes, places in pairs_within(hashes, distance, known):
        across = codes < known  # the images were compared with each other before
        codes, places = codes[across], places[across] - known
        for start in range(0, len(codes), BATCH):
            part = ~found[places[start : start + BATCH]]
            code, place = codes[start : start + BATCH][part], places[start : start + BATCH][part]
            if not len(code):
                continue
            alike = _alike(rows, bench, images, code, place)
            for n in np.flatnonzero(alike >= 1 - apart).tolist():
                if not found[place[n]]:
                    found[place[n]] = True
                    b, change = divmod(int(code[n]), len(VARIANTS))
                    yield bench[b], images[place[n]], float(alike[n]), VARIANTS[change].name


def _wider(rows: Sequence[Row], bench: Sequence[int], images: Sequence[int], gap: float) -> float:
    """How far below 1 the correlation with a changed copy may be in this set.

    Learnt from how near the changed copies of a sample come to the images, by quartiles: real copies among
    them, if fewer than a quarter, change little.
    """
    if min(len(bench), len(images)) < LEAST_SAMPLE:
        return WIDER * gap
    random = np.random.default_rng(0)
    chosen = random.permutation(len(bench))[:SAMPLED]
    copies = np.array([_thumb(rows[bench[b]], change) for b in chosen for change in range(len(VARIANTS))])
    others = np.array([rows[images[i]].thumb for i in random.permutation(len(images))[:SAMPLE]])
    alike = standardised(copies.reshape(len(copies), -1)) @ standardised(others.reshape(len(others), -1)).T
    nearest = np.maximum(1 - alike.max(1).reshape(len(chosen), -1).max(1), 1e-6)
    quarter, middle = np.log(np.quantile(nearest, [0.25, 0.5]))
    spread = (middle - quarter) / 0.674  # as if the logarithm were normal
    return float(np.clip(np.exp(middle - SPREADS * spread), gap, WIDER * gap))


def _alike(
    rows: Sequence[Row],
    bench: Sequence[int],
    images: Sequence[int],
    codes: NDArray[np.int64],
    places: NDArray[np.int64],
) -> NDArray[np.float32]:
    """The correlation of each changed copy with an image; -1 where the colours differ."""
    each, inverse = np.unique(codes, return_inverse=True)
    copies = np.array([_thumb(rows[bench[code // len(VARIANTS)]], code % len(VARIANTS)) for code in each])
    thumbs = np.array([rows[images[place]].thumb for place in places])
    alike = correlations(copies.reshape(len(each), -1)[inverse], thumbs.reshape(len(thumbs), -1))
    for n, (code, place) in enumerate(zip(codes.tolist(), places.tolist(), strict=True)):
        b, change = divmod(code, len(VARIANTS))
        if _colour_differs(rows[bench[b]], rows[images[place]], VARIANTS[change].mirror):
            alike[n] = -1
    return alike


def _thumb(row: Row, change: int) -> NDArray[np.uint8]:
    return variant_thumb(np.asarray(row.view), row.width / row.height, VARIANTS[change])


def _colour_differs(left: Row, right: Row, mirror: bool) -> bool:
    """In the middle, which all changes leave."""
    here, there = np.asarray(left.chroma)[1:3, 1:3], np.asarray(right.chroma)[1:3, 1:3]
    return bool(np.abs((here[:, ::-1] if mirror else here) - there).max() > MAX_CHROMA)
