"""Images of the set that show a benchmark image mirrored, cropped, framed or turned a little.

By the hashes of its changed copies; what these bring near is aligned before pixels are compared: a crop that
lies between two of the copies fits neither of them well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.correlation import correlations, standardised
from caffekit.checks.hamming import bit_count, in_batches, pairs_within
from caffekit.checks.table import Table
from caffekit.checks.variants import VARIANTS, aligned_thumb, variant_thumb

Indices = NDArray[np.int64]

# A change is near one of VARIANTS, not the same: its correlation may be so many times as far from 1 as copies
# may be, but only where no other image of this set comes near: seven digits look like a turned one.
WIDER = 3.0
SPREADS = 4.0  # … of the logarithm of the distance of the nearest image that is none
SAMPLED, SAMPLE, LEAST_SAMPLE = 128, 2048, 32
MAX_CHROMA = 24
WORTH_ALIGNING = 0.6  # correlation with a changed copy
BATCH, CHUNK = 4096, 8192  # pairs, and benchmark images, at a time
# Drawings and digits share hashes by the thousand: where a sample promises more candidates than so many, and
# so many per image, they are looked for within fewer bits; so this costs no more than measuring the images.
CANDIDATES, CANDIDATES_EACH = 100_000, 20
ALIGNED, ALIGNED_EACH = 1000, 2  # pairs: the most alike of a chunk, and as many more per benchmark image


class Changed(NamedTuple):
    """An image that shows a benchmark image changed: indices into the table, correlation, the change."""

    benchmark: int
    image: int
    alike: float
    change: str


def changed_copies(
    table: Table, bench: Indices, images: Indices, distance: int, gap: float
) -> Iterator[Changed]:
    """For each of `images` at most one.

    bench, images: indices into `table`. distance: bits of the hash, see fitting_distance. gap: how far below
    1 the correlation of plain copies may be.
    """
    if not len(bench) or not len(images):
        return
    threshold = 1 - _wider(table, bench, images, gap)
    found = np.zeros(len(images), bool)
    for start in range(0, len(bench), CHUNK):
        yield from _of_chunk(table, bench[start : start + CHUNK], images, distance, threshold, found)


def fitting_distance(table: Table, bench: Indices, images: Indices, distance: int) -> int:
    """The largest distance, up to `distance`, that promises few enough candidates; 0 at least."""
    random = np.random.default_rng(0)
    theirs = table.benchmark(bench[random.permutation(len(bench))[:SAMPLED]])["variants"].ravel()
    ours = table.columns["phash"][images[random.permutation(len(images))[:SAMPLE]]]
    if not len(theirs) or not len(ours):
        return distance
    counts = np.zeros(65, np.int64)
    for hashes in np.array_split(theirs, SAMPLED):
        counts += np.bincount(bit_count(hashes[:, None] ^ ours).ravel(), minlength=65)
    expected = np.cumsum(counts / counts.sum() * len(bench) * len(VARIANTS) * len(images))
    most = CANDIDATES + CANDIDATES_EACH * (len(bench) + len(images))
    return max(0, int((expected[: distance + 1] <= most).sum()) - 1)


def _of_chunk(
    table: Table, bench: Indices, images: Indices, distance: int, threshold: float, found: NDArray[np.bool_]
) -> Iterator[Changed]:
    """What changed_copies yields for some benchmark images; found: those of `images` that have theirs."""
    best: dict[tuple[int, int], tuple[float, int]] = {}  # of a pair of images, what is worth aligning
    for codes, places in _candidates(table, bench, images, distance, found):
        alike = _alike(table, bench, images, codes, places)
        for n in np.flatnonzero(alike >= WORTH_ALIGNING).tolist():
            place, (b, change) = int(places[n]), divmod(int(codes[n]), len(VARIANTS))
            if found[place]:
                continue
            if alike[n] >= threshold:
                found[place] = True
                yield Changed(int(bench[b]), int(images[place]), float(alike[n]), VARIANTS[change].name)
            elif best.get((b, place), (0.0, 0)) < (alike[n], change):
                best[b, place] = float(alike[n]), change
    ranked = sorted(best.items(), key=lambda item: (-item[1][0], item[0]))
    for (b, place), (_, change) in ranked[: ALIGNED + ALIGNED_EACH * len(bench)]:
        if not found[place]:
            value = _aligned(table, int(bench[b]), int(images[place]), change)
            if value >= threshold:
                found[place] = True
                yield Changed(int(bench[b]), int(images[place]), value, VARIANTS[change].name)


def _candidates(
    table: Table, bench: Indices, images: Indices, distance: int, found: NDArray[np.bool_]
) -> Iterator[tuple[Indices, Indices]]:
    """(benchmark image × VARIANTS + change, place in `images`) of hashes that are near, batch by batch."""
    known = len(bench) * len(VARIANTS)
    hashes = np.concatenate([table.benchmark(bench)["variants"].ravel(), table.columns["phash"][images]])
    pairs = pairs_within(hashes, distance, known)
    # The images were compared with each other before.
    across = ((i[i < known], j[i < known] - known) for i, j in pairs)
    for codes, places in in_batches(across, BATCH):
        left = ~found[places]
        if left.any():
            yield codes[left], places[left]


def _wider(table: Table, bench: Indices, images: Indices, gap: float) -> float:
    """How far below 1 the correlation with a changed copy may be in this set.

    Learnt from how near the changed copies of a sample come to the images, once aligned, by quartiles: real
    copies among them, if fewer than a quarter, change little.
    """
    if min(len(bench), len(images)) < LEAST_SAMPLE:
        return WIDER * gap
    random = np.random.default_rng(0)
    chosen = bench[random.permutation(len(bench))[:SAMPLED]]
    others = images[random.permutation(len(images))[:SAMPLE]]
    thumbs = table.pictures(others)["thumb"].reshape(len(others), -1)
    rows = standardised(thumbs).T
    nearest = []
    for b, view, aspect in zip(
        chosen.tolist(), table.benchmark(chosen)["view"], _aspects(table, chosen), strict=True
    ):
        copies = np.array([variant_thumb(view, aspect, change).ravel() for change in VARIANTS])
        alike = standardised(copies) @ rows
        change, other = np.unravel_index(int(alike.argmax()), alike.shape)
        aligned = _aligned(table, b, int(others[other]), int(change))
        nearest.append(max(1 - max(float(alike.max()), aligned), 1e-6))
    quarter, middle = np.log(np.quantile(nearest, [0.25, 0.5]))
    spread = (middle - quarter) / 0.674  # as if the logarithm were normal
    return float(np.clip(np.exp(middle - SPREADS * spread), gap, WIDER * gap))


def _aligned(table: Table, benchmark: int, image: int, change: int) -> float:
    """The correlation of an image with a changed copy that was moved to where it fits."""
    thumb = table.pictures([image])[0]["thumb"]
    seen = table.benchmark([benchmark])[0]["view"]
    copy = aligned_thumb(seen, _aspects(table, np.array([benchmark]))[0], VARIANTS[change], thumb)
    both = np.array([copy.ravel(), thumb.ravel()])
    return float(correlations(both, np.array([0]), np.array([1]))[0])


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
    differ = np.abs(_middle(theirs)[copy_of] - _middle(read)[image_of]).max(1)
    alike[differ > MAX_CHROMA] = -1
    return alike


def _middle(pictures: NDArray[Any]) -> NDArray[np.float64]:
    """The mean colour of the middle, which all changes leave: Cr and Cb of each."""
    return np.asarray(pictures["chroma"][:, 1:3, 1:3].mean((1, 2)), np.float64)
