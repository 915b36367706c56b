"""Which images show the same picture: found by perceptual hash, confirmed by correlation of pixels.

A hash alone never decides: drawings and digits share hashes by the thousand. And how high a correlation must
be depends on the set: it is measured on it first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.changed import changed_copies
from caffekit.checks.correlation import correlations, gap
from caffekit.checks.hamming import Pairs, pairs_within
from caffekit.checks.measure import Row

MAX_CHROMA = 24  # difference of Cr or Cb in one of 16 cells
BATCH = 8192
# An image of a crowd of copies is linked to so many of the best of them (and of the benchmark's), not to all.
ENOUGH = 64


@dataclass(frozen=True)
class Links:
    """Images that show the same picture.

    near: {index: {other index: correlation}}, symmetric, exact copies left out. same: {index: the indices of
    all images with its very pixels, itself included}, only where there is more than one. threshold: the
    correlation from which two images are called near duplicates. changed: {(image, benchmark image): change}
    where only a changed copy of the benchmark image is like it.
    """

    near: dict[int, dict[int, float]]
    same: dict[int, list[int]]
    threshold: float
    changed: dict[tuple[int, int], str] = field(default_factory=dict)

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
    apart = gap(thumbs)
    pairs = pairs_within(hashes, distance, known)
    for i, j, alike in _confirmed(pairs, thumbs, chroma, 1 - apart, known):
        for a in same.get(first[i], [first[i]]):
            for b in same.get(first[j], [first[j]]):
                near[a][b] = near[b][a] = alike
    changed = {}
    bench = [i for i in first[:known] if rows[i].variants is not None]
    left = [
        i for i in first[known:] if max([*near.get(i, {}), *same.get(i, [])], default=0) < len(best_first)
    ]
    for b, i, alike, change in changed_copies(rows, bench, left, distance, apart) if bench else ():
        for a in same.get(i, [i]):
            near[a][b] = near[b][a] = alike
            changed[a, b] = change
    return Links(dict(near), same, 1 - apart, changed)


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


def _confirmed(
    pairs: Iterable[Pairs],
    thumbs: NDArray[np.uint8],
    chroma: NDArray[np.int16],
    threshold: float,
    known: int,
) -> Iterator[tuple[int, int, float]]:
    """(i, j, correlation) of the pairs that show the same picture, i < j, not both of the first `known`.

    For any j no more of a kind than ENOUGH (or a batch over it), and then only better ones.
    """
    held = np.zeros((2, len(thumbs)), np.int64)
    best = np.full((2, len(thumbs)), len(thumbs))
    for i, j in _batches(pairs):
        kind = (i < known).astype(np.int64)
        wanted = (held[kind, j] < ENOUGH) | (i < best[kind, j])
        i, j, kind = i[wanted], j[wanted], kind[wanted]
        alike = correlations(thumbs[i], thumbs[j])
        linked = (alike >= threshold) & (np.abs(chroma[i] - chroma[j]).max(1, initial=0) <= MAX_CHROMA)
        np.add.at(held, (kind[linked], j[linked]), 1)
        np.minimum.at(best, (kind[linked], j[linked]), i[linked])
        yield from zip(i[linked].tolist(), j[linked].tolist(), alike[linked].tolist(), strict=True)


def _batches(pairs: Iterable[Pairs]) -> Iterator[Pairs]:
    for i, j in pairs:
        for start in range(0, len(i), BATCH):
            part = slice(start, start + BATCH)
            yield i[part], j[part]
