"""Which images show the same picture: found by perceptual hash, confirmed by correlation of pixels.

A hash alone never decides: drawings and digits share hashes by the thousand. And how high a correlation must
be depends on the set: it is measured on it first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.changed import changed_copies, fitting_distance
from caffekit.checks.correlation import SAMPLE, Floats, correlations, gap
from caffekit.checks.crowds import like_pairs
from caffekit.checks.hamming import in_batches, pairs_within
from caffekit.checks.links import Links, Near
from caffekit.checks.table import Table

MAX_CHROMA = 24  # difference of Cr or Cb in one of 16 cells
BATCH = 8192
# An image of a crowd of copies is linked to so many of the best of them (and of the benchmark's), not to all;
# to fewer where all of them together would be more than MOST.
ENOUGH, LEAST_ENOUGH, MOST = 64, 8, 8_000_000

Indices = NDArray[np.int64]
EMPTY = np.zeros(0, np.int64)


class _Pictures:
    """The pixels of those images that are compared: the first with each content, the benchmark's first."""

    def __init__(self, table: Table, indices: Indices, known: int) -> None:
        self.table, self.indices, self.known = table, indices, known
        self.enough = int(np.clip(MOST // max(1, len(indices)), LEAST_ENOUGH, ENOUGH))
        self.forget()

    def forget(self) -> None:
        """Begin counting links anew: to the set's images, and to the benchmark's; the best of each."""
        self.held = np.zeros((2, len(self.indices)), np.int32)
        self.best = np.full((2, len(self.indices)), len(self.indices), np.int32)

    def thumbs(self, places: Indices) -> NDArray[np.uint8]:
        """Their thumbnails, a row of pixels each."""
        pixels: NDArray[np.uint8] = self.table.pictures(self.indices[places])["thumb"]
        return pixels.reshape(len(places), -1)

    def satisfied(self, places: Indices) -> NDArray[np.bool_]:
        """Which have been linked to enough of the set's; the benchmark's were looked at before."""
        return np.asarray(self.held[0, places] >= self.enough)

    def linked(self, i: Indices, j: Indices, threshold: float) -> tuple[Indices, Indices, Floats]:
        """Those pairs that show the same picture, with their correlations. Of enough, only better ones."""
        kind = (i < self.known).astype(np.int64)
        wanted = (self.held[kind, j] < self.enough) | (i < self.best[kind, j])
        i, j, kind = i[wanted], j[wanted], kind[wanted]
        if not len(i):
            return i, j, np.zeros(0, np.float32)
        each, at = np.unique(np.concatenate([i, j]), return_inverse=True)
        read = self.table.pictures(self.indices[each])
        pixels, chroma = (read[name].reshape(len(each), -1) for name in ("thumb", "chroma"))
        alike = correlations(pixels, at[: len(i)], at[len(i) :])
        shift = np.abs(chroma[at[: len(i)]].astype(np.int16) - chroma[at[len(i) :]])
        good = (alike >= threshold) & (shift.max(1, initial=0) <= MAX_CHROMA)
        np.add.at(self.held, (kind[good], j[good]), 1)
        np.minimum.at(self.best, (kind[good], j[good]), i[good])
        return i[good], j[good], alike[good]


def find_links(
    table: Table, best_first: Indices, distance: int, pixels: Mapping[bytes, bytes] | None = None
) -> Links:
    """Compare all images of the set that have pixels with each other and with the benchmark's.

    best_first: the set's indices in the order in which copies will be chosen. distance: bits of the 64-bit
    hash. pixels: see same_pixels.
    """
    count = len(best_first)
    same = same_pixels(table, pixels or {})
    order = np.concatenate([np.arange(count, len(table)), best_first])
    only = table.columns["reason"] == 0
    only[[i for i, group in same.items() if i != group[0]]] = False
    first = order[only[order]]
    known = int((first >= count).sum())
    if len(first) < 2:
        return Links({}, same, 1.0, changed_within=distance)
    chosen = np.sort(np.random.default_rng(0).permutation(len(first))[:SAMPLE])
    pictures = _Pictures(table, first, known)
    apart = gap(pictures.thumbs(chosen))
    pairs = [(first[i], first[j], alike) for i, j, alike in _near(pictures, distance, 1 - apart)]
    place = np.argsort(order, kind="stable")
    left, right, alike = _with_copies(pairs, {i: group for i, group in same.items() if i == group[0]}, place)
    told = np.zeros(len(table), bool)
    told[left[right >= count]] = told[right[left >= count]] = True
    told[[i for i, group in same.items() if group[-1] >= count]] = True
    bench, left_over = first[:known], first[known:][~told[first[known:]]]
    within = fitting_distance(table, bench, left_over, distance)
    found = list(changed_copies(table, bench, left_over, within, apart))
    copies = [(a, b, alike, change) for b, i, alike, change in found for a in same.get(i, [i])]
    near = Near(
        np.concatenate([left, np.array([a for a, _, _, _ in copies], np.int64)]),
        np.concatenate([right, np.array([b for _, b, _, _ in copies], np.int64)]),
        np.concatenate([alike, np.array([alike for _, _, alike, _ in copies], np.float32)]),
    )
    return Links(near, same, 1 - apart, {(a, b): change for a, b, _, change in copies}, within)


def same_pixels(table: Table, pixels: Mapping[bytes, bytes]) -> dict[int, list[int]]:
    """For each image with exact copies, the indices of all of them, itself included.

    pixels: the digest of all pixels, by the digest of the file, of those that only look the same.
    """
    groups: dict[bytes, list[int]] = defaultdict(list)
    for run in _same_looks(table):
        contents = [content.tobytes() for content in table.columns["content"][run]]
        alone = len(set(contents)) == 1
        for i, content in zip(run.tolist(), contents, strict=True):
            groups[content if alone else pixels.get(content) or content].append(i)
    return {i: group for group in groups.values() if len(group) > 1 for i in group}


def unlike_files(table: Table) -> list[int]:
    """Images that look the same in different files: their pixels must be compared. One of equal files."""
    found: list[int] = []
    for run in _same_looks(table):
        _, firsts = np.unique(table.columns["content"][run], axis=0, return_index=True)
        if len(firsts) > 1:
            found += run[np.sort(firsts)].tolist()
    return found


def _same_looks(table: Table) -> Iterator[Indices]:
    readable = np.flatnonzero(table.columns["reason"] == 0)
    order = readable[np.argsort(table.columns["look"][readable], kind="stable")]
    looks = table.columns["look"][order]
    starts = np.flatnonzero(np.concatenate([[True], looks[1:] != looks[:-1]])[: len(order)])
    size = np.diff(starts, append=len(order))
    for start, length in zip(starts[size > 1].tolist(), size[size > 1].tolist(), strict=True):
        yield order[start : start + length]


def _near(pictures: _Pictures, distance: int, threshold: float) -> Iterator[tuple[Indices, Indices, Floats]]:
    """(i, j, correlation) of the places of images that show the same picture, batch by batch."""
    hashes = pictures.table.columns["phash"][pictures.indices]
    crowded = np.zeros(len(hashes), bool)
    for i, j in in_batches(pairs_within(hashes, distance, pictures.known, crowded), BATCH):
        yield pictures.linked(i, j, threshold)
    pictures.forget()
    members = np.flatnonzero(crowded)
    dense = like_pairs(pictures.thumbs, members, pictures.known, threshold, pictures.satisfied)
    for i, j in in_batches(dense, BATCH):
        yield pictures.linked(i, j, threshold)


def _with_copies(
    pairs: Iterable[tuple[Indices, Indices, Floats]], groups: Mapping[int, list[int]], place: Indices
) -> tuple[Indices, Indices, Floats]:
    """All pairs in three arrays, those of exact copies included: of many, the ENOUGH best."""
    best = {i: sorted(group, key=lambda each: int(place[each]))[:ENOUGH] for i, group in groups.items()}
    parts: list[tuple[Indices, Indices, Floats]] = [(EMPTY, EMPTY, EMPTY.astype(np.float32))]
    for left, right, alike in pairs:
        parts.append((left, right, alike))
        for a, b, value in zip(left.tolist(), right.tolist(), alike.tolist(), strict=True) if best else ():
            if a in best or b in best:
                i, j = np.meshgrid(best.get(a, [a]), best.get(b, [b]))
                parts.append((i.ravel(), j.ravel(), np.full(i.size, value, np.float32)))
    left, right, alike = (np.concatenate(column) for column in zip(*parts, strict=True))
    return left, right, alike
