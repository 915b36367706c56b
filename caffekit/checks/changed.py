"""Images of the set that show a benchmark image mirrored, cropped, framed or turned a little."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.correlation import correlations, standardised
from caffekit.checks.hamming import pairs_within
from caffekit.checks.table import Table
from caffekit.checks.variants import VARIANTS, variant_thumb

# A change is near one of VARIANTS, not the same: its correlation may be so many times as far from 1 as copies
# may be, but only where no other image of this set comes near: seven digits look like a turned one.
WIDER = 3.0
SPREADS = 4.0  # … of the logarithm of the distance of the nearest image that is none
SAMPLED, SAMPLE, LEAST_SAMPLE = 128, 2048, 32
Indices = NDArray[np.int64]

MAX_CHROMA = 24
BATCH = 4096


def changed_copies(
    table: Table, bench: Indices, images: Indices, distance: int, gap: float
) -> Iterator[tuple[int, int, float, str]]:
    """(benchmark image, image, correlation, change): for each of `images` at most one.

    bench, images: indices into `table`. distance: bits of the hash. gap: how far below 1 the correlation of
    plain copies may be.
    """
    if not len(bench) or not len(images):
        return
    known = len(bench) * len(VARIANTS)
    apart = _wider(table, bench, images, gap)
    theirs = [
        table.benchmark(bench[at : at + BATCH])["variants"].ravel() for at in range(0, len(bench), BATCH)
    ]
    hashes = np.concatenate([*theirs, table.columns["phash"][images]])
    found = np.zeros(len(images), bool)
    for codes, places in pairs_within(hashes, distance, known):
        across = codes < known  # the images were compared with each other before
        codes, places = codes[across], places[across] - known
        for start in range(0, len(codes), BATCH):
            part = ~found[places[start : start + BATCH]]
            code, place = codes[start : start + BATCH][part], places[start : start + BATCH][part]
            if not len(code):
                continue
            alike = _alike(table, bench, images, code, place)
            for n in np.flatnonzero(alike >= 1 - apart).tolist():
                if not found[place[n]]:
                    found[place[n]] = True
                    b, change = divmod(int(code[n]), len(VARIANTS))
                    yield int(bench[b]), int(images[place[n]]), float(alike[n]), VARIANTS[change].name


def _wider(table: Table, bench: Indices, images: Indices, gap: float) -> float:
    """How far below 1 the correlation with a changed copy may be in this set.

    Learnt from how near the changed copies of a sample come to the images, by quartiles: real copies among
    them, if fewer than a quarter, change little.
    """
    if min(len(bench), len(images)) < LEAST_SAMPLE:
        return WIDER * gap
    random = np.random.default_rng(0)
    chosen = bench[random.permutation(len(bench))[:SAMPLED]]
    views, aspects = table.benchmark(chosen)["view"], _aspects(table, chosen)
    copies = np.array(
        [
            variant_thumb(view, aspect, change)
            for view, aspect in zip(views, aspects, strict=True)
            for change in VARIANTS
        ]
    )
    others = table.pictures(images[random.permutation(len(images))[:SAMPLE]])["thumb"]
    alike = standardised(copies.reshape(len(copies), -1)) @ standardised(others.reshape(len(others), -1)).T
    nearest = np.maximum(1 - alike.max(1).reshape(len(chosen), -1).max(1), 1e-6)
    quarter, middle = np.log(np.quantile(nearest, [0.25, 0.5]))
    spread = (middle - quarter) / 0.674  # as if the logarithm were normal
    return float(np.clip(np.exp(middle - SPREADS * spread), gap, WIDER * gap))


def _aspects(table: Table, indices: Indices) -> list[float]:
    sizes = table.columns[indices]
    aspects: list[float] = (sizes["width"] / sizes["height"]).tolist()
    return aspects


def _alike(
    table: Table, bench: Indices, images: Indices, codes: Indices, places: Indices
) -> NDArray[np.float32]:
    """The correlation of each changed copy with an image; -1 where the colours differ."""
    each, copy_of = np.unique(codes, return_inverse=True)
    originals = bench[each // len(VARIANTS)]
    theirs, aspects = table.benchmark(originals), _aspects(table, originals)
    changes = [VARIANTS[code % len(VARIANTS)] for code in each]
    copies = np.array(list(map(variant_thumb, theirs["view"], aspects, changes)))
    ours, image_of = np.unique(places, return_inverse=True)
    read = table.pictures(images[ours])
    thumbs = np.concatenate([copies, read["thumb"]]).reshape(len(each) + len(ours), -1)
    alike = correlations(thumbs, copy_of, len(each) + image_of)
    # In the middle, which all changes leave.
    colours = theirs["chroma"][:, 1:3, 1:3].astype(np.int16)
    mirrored = [change.mirror for change in changes]
    colours[mirrored] = colours[mirrored][:, :, ::-1]
    differ = np.abs(colours[copy_of] - read["chroma"][image_of, 1:3, 1:3]).max((1, 2, 3))
    alike[differ > MAX_CHROMA] = -1
    return alike
