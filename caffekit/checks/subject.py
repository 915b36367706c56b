"""What checks look at: all images of a set side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.alike import Links, find_links
from caffekit.checks.measure import Row


class Finding(NamedTuple):
    """Why a check rejects an image: the number it measured, and a sentence for people."""

    score: float
    detail: str


@dataclass
class Subject:
    """A set of images to check, and the benchmark images that must not stand in it.

    rows, paths, labels: one entry per image. bench, bench_paths: the benchmark's rows. near_distance: bits
    of 64 in which the hashes of near duplicates may differ. min_size: pixels of the shorter side.
    limits: thresholds of checks that take the place of those that adapt to the set. out: images that a check
    has rejected so far.
    """

    rows: Sequence[Row]
    paths: Sequence[str]
    labels: NDArray[np.int64]
    bench: Sequence[Row] = ()
    bench_paths: Sequence[str] = ()
    classes: Sequence[str] | None = None
    near_distance: int = 8
    min_size: int = 32
    limits: Mapping[str, float] = field(default_factory=dict)
    out: set[int] = field(default_factory=set)
    notes: dict[str, float] = field(default_factory=dict)

    @cached_property
    def readable(self) -> NDArray[np.int64]:
        """The indices of the images that have pixels."""
        return np.array([i for i, row in enumerate(self.rows) if not row.reason], np.int64)

    def column(self, name: str) -> NDArray[np.float64]:
        """One measurement of every readable image, in the order of `readable`."""
        return np.array([getattr(self.rows[i], name) for i in self.readable], np.float64)

    @cached_property
    def links(self) -> Links:
        """Which images show the same picture; indices from len(rows) on are the benchmark's."""
        best_first = sorted(range(len(self.rows)), key=self.rank)
        return find_links([*self.rows, *self.bench], best_first, self.near_distance)

    def rank(self, index: int) -> tuple[tuple[int, int, bool, int], int, str]:
        """Which of two copies in the set is better: the one with the smaller rank."""
        path = self.paths[index]
        return self.rows[index].rank, len(path), path

    def path(self, index: int) -> str:
        """The path of an image of the set, or of the benchmark."""
        return self.paths[index] if index < len(self.rows) else self.bench_paths[index - len(self.rows)]

    def class_name(self, label: int) -> str:
        """What to call a class in a sentence."""
        return self.classes[label] if self.classes else str(label)
