"""What checks look at: all images of a set side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.alike import find_links
from caffekit.checks.confident import Judge, Judged
from caffekit.checks.links import Links
from caffekit.checks.table import Table


class Finding(NamedTuple):
    """Why a check rejects an image: the number it measured, and a sentence for people."""

    score: float
    detail: str


@dataclass
class Subject:
    """A set of images to check, and the benchmark images that must not stand in it.

    rows: a row per image of the set, then per benchmark image. paths, labels, bench_paths: one entry per
    image. near_distance: bits of 64 in which the hashes of near duplicates may differ. min_size: pixels of
    the shorter side. limits: thresholds of checks that take the place of those that adapt to the set. used:
    those that were used. pixels: see alike.same_pixels. out: images that a check has rejected so far.
    judge_by: auto, edges, net or features; judge: who judges labels where edges do not. judged: what came of
    it. notes: what checks learnt of the set, for the summary.
    """

    rows: Table
    paths: Sequence[str]
    labels: NDArray[np.int64]
    bench_paths: Sequence[str] = ()
    classes: Sequence[str] | None = None
    near_distance: int = 8
    min_size: int = 32
    limits: Mapping[str, float] = field(default_factory=dict)
    pixels: Mapping[bytes, bytes] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)
    out: set[int] = field(default_factory=set)
    notes: dict[str, Any] = field(default_factory=dict)
    judge_by: str = "auto"
    judge: Judge | None = None
    judged: Judged | None = None

    @property
    def count(self) -> int:
        """How many images the set has."""
        return len(self.paths)

    @cached_property
    def readable(self) -> NDArray[np.int64]:
        """The indices of the images that have pixels."""
        return np.flatnonzero(self.rows.columns["reason"][: self.count] == 0)

    def column(self, name: str) -> NDArray[np.float64]:
        """One measurement of every readable image, in the order of `readable`."""
        return np.asarray(self.rows.columns[name][self.readable], np.float64)

    def limit(self, name: str, adapted: float) -> float:
        """The threshold of a check: the one that is given, else `adapted` to the set. Kept in `used`."""
        self.used[name] = float(self.limits.get(name, adapted))
        return self.used[name]

    @cached_property
    def links(self) -> Links:
        """Which images show the same picture; indices from `count` on are the benchmark's."""
        return find_links(self.rows, self.best_first, self.near_distance, self.pixels)

    @cached_property
    def best_first(self) -> NDArray[np.int64]:
        """All indices of the set; of two copies the better one stands before the other.

        More pixels, fewer flaws, lossless, of lossy ones more bytes (of lossless files their number says
        nothing: a brightened PNG is often the larger), a shorter path, the first path.
        """
        columns = self.rows.columns[: self.count]
        pixels = columns["width"].astype(np.int64) * columns["height"]
        lengths = np.fromiter(map(len, self.paths), np.int64, self.count)
        keys = (lengths, -columns["bytes"] * columns["lossy"], columns["lossy"], columns["flaws"], -pixels)
        order = np.lexsort(keys)
        equal = np.all([key[order][1:] == key[order][:-1] for key in keys], axis=0)
        for part in np.split(order, np.flatnonzero(~equal) + 1) if equal.any() else ():
            if len(part) > 1:
                part[:] = sorted(part.tolist(), key=self.paths.__getitem__)
        return order

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Where each image of the set stands in best_first."""
        return np.argsort(self.best_first)

    def path(self, index: int) -> str:
        """The path of an image of the set, or of the benchmark."""
        return self.paths[index] if index < self.count else self.bench_paths[index - self.count]

    def class_name(self, label: int) -> str:
        """What to call a class in a sentence."""
        return self.classes[label] if self.classes else str(label)
