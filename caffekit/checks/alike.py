"""Which images show the same picture: found by perceptual hash, confirmed by correlation of pixels.

A hash alone never decides: drawings and digits share hashes by the thousand. And how high a correlation must
be depends on the set: it is measured on it first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.hamming import Pairs, pairs_within
from caffekit.checks.measure import Row

# 1 - correlation of near duplicates: a tenth of what separates different images of this set, within …
SHARE_OF_NEAREST = 0.1
LEAST_GAP, LARGEST_GAP = 0.001, 0.05
SAMPLE = 2048
MAX_CHROMA = 24  # difference of Cr or Cb in one of 16 cells
BATCH = 8192
# An image of a crowd of copies is linked to so many of the best of them (and of the benchmark's), not to all.
ENOUGH = 64
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Links:
    """Images that show the same picture.

    near: {index: {other index: correlation}}, symmetric, exact copies left out. same: {index: the indices of
    all images with its very pixels, itself included}, only where there is more than one. threshold: the
    correlation from which two images are called near duplicates.
    """

    near: dict[int, dict[int, float]]
    same: dict[int, list[int]]
    threshold: float

    def of(self, index: int) -> dict[int, float]:
        """Every image that shows the picture of `index`, with its correlation (exact copies: 1)."""
        copies = {other: 1.0 for other in self.same.get(index, []) if other != index}
        return {**self.near.get(index, {}), **copies}


def find_links(rows: Sequence[Row], best_first: Sequence[int], distance: int) -> Links:
    """Compare all images of the set that have pixels with each other and with the benchmark's.

    rows: the set's, then the benchmark's. best_first: the set's indices in the order in which copies will be
    chosen. distance: bits of the 64-bit hash.
    """
    same = _same_pixels(rows)
    order = [*range(len(best_first), len(rows)), *best_first]
    first = [i for i in order if not rows[i].reason and same.get(i, [i])[0] == i]
    known = sum(i >= len(best_first) for i in first)
    near: dict[int, dict[int, float]] = defaultdict(dict)
    if len(first) < 2:
        return Links(near, same, 1.0)
    thumbs = np.array([rows[i].thumb for i in first], np.uint8).reshape(len(first), -1)
    chroma = np.array([rows[i].chroma for i in first], np.int16).reshape(len(first), -1)
    hashes = np.array([rows[i].phash for i in first], np.uint64)
    threshold = 1 - _gap(thumbs)
    for i, j, alike in _confirmed(pairs_within(hashes, distance), thumbs, chroma, threshold, known):
        for a in same.get(first[i], [first[i]]):
            for b in same.get(first[j], [first[j]]):
                near[a][b] = near[b][a] = alike
    return Links(dict(near), same, float(threshold))


def components(links: Links) -> list[list[int]]:
    """The images that hang together by links, each group and the list sorted."""
    seen: set[int] = set()
    groups = []
    for start in sorted({*links.near, *links.same}):
        if start in seen:
            continue
        group, waiting = [], [start]
        seen.add(start)
        while waiting:
            index = waiting.pop()
            group.append(index)
            copies = links.same.get(index, [index])  # of thousands, all hang on the first
            fresh = {*links.near.get(index, {}), *(copies if index == copies[0] else copies[:1])} - seen
            seen |= fresh
            waiting += fresh
        groups.append(sorted(group))
    return groups


def _same_pixels(rows: Sequence[Row]) -> dict[int, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if not row.reason:
            groups[row.pixels_hash].append(i)
    return {i: group for group in groups.values() if len(group) > 1 for i in group}


def _gap(thumbs: NDArray[np.uint8]) -> float:
    """How far below 1 the correlation of two copies may be in this set.

    Measured by how far images are from the nearest of a sample of others; copies among them are too few to
    move the median.
    """
    chosen = np.random.default_rng(0).permutation(len(thumbs))[:SAMPLE]
    sample = _standardised(thumbs[chosen])
    alike = sample @ sample.T
    np.fill_diagonal(alike, -1)
    nearest = 1 - float(np.median(alike.max(1)))
    return min(max(SHARE_OF_NEAREST * nearest, LEAST_GAP), LARGEST_GAP)


def _standardised(thumbs: NDArray[np.uint8]) -> Floats:
    """Rows of mean 0 and norm 1: their product is the correlation. A flat image correlates with nothing."""
    values = thumbs.astype(np.float32)
    values -= values.mean(1, keepdims=True)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(norms, 1e-6), np.float32)


def _confirmed(
    pairs: Iterable[Pairs],
    thumbs: NDArray[np.uint8],
    chroma: NDArray[np.int16],
    threshold: float,
    known: int,
) -> Iterator[tuple[int, int, float]]:
    """(i, j, correlation) of the pairs that show the same picture, i < j, not both of the first `known`.

    No more of a kind than ENOUGH (or a batch over it) for any j.
    """
    held = np.zeros((2, len(thumbs)), np.int64)
    for i, j in _batches(pairs):
        kind = (i < known).astype(np.int64)
        wanted = (j >= known) & (held[kind, j] < ENOUGH)
        i, j, kind = i[wanted], j[wanted], kind[wanted]
        alike = _correlations(thumbs, i, j)
        linked = (alike >= threshold) & (np.abs(chroma[i] - chroma[j]).max(1, initial=0) <= MAX_CHROMA)
        np.add.at(held, (kind[linked], j[linked]), 1)
        yield from zip(i[linked].tolist(), j[linked].tolist(), alike[linked].tolist(), strict=True)


def _batches(pairs: Iterable[Pairs]) -> Iterator[Pairs]:
    for i, j in pairs:
        for start in range(0, len(i), BATCH):
            part = slice(start, start + BATCH)
            yield np.minimum(i[part], j[part]), np.maximum(i[part], j[part])


def _correlations(thumbs: NDArray[np.uint8], i: NDArray[np.int64], j: NDArray[np.int64]) -> Floats:
    left, right = _standardised(thumbs[i]), _standardised(thumbs[j])
    return np.asarray(np.einsum("nd,nd->n", left, right), np.float32)
