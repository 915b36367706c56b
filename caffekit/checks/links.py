"""What is alike in a set, in little memory: a few numbers per pair, not a dictionary per image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


class Near(Mapping[int, dict[int, float]]):
    """{index: {other index: correlation}}, symmetric; made from one array per column."""

    def __init__(self, left: NDArray[np.int64], right: NDArray[np.int64], alike: NDArray[np.float32]) -> None:
        """Pairs, each in one direction; of repeated ones the last counts."""
        here, there = np.concatenate([left, right]), np.concatenate([right, left])
        order = np.argsort(here, kind="stable")
        self._others = there[order].astype(np.int32)
        self._alike = np.tile(alike, 2)[order].astype(np.float32)
        self._indices, starts = np.unique(here[order], return_index=True)
        self._starts = np.append(starts, len(order))

    def __getitem__(self, index: int) -> dict[int, float]:
        at = int(np.searchsorted(self._indices, index))
        if at == len(self._indices) or self._indices[at] != index:
            raise KeyError(index)
        part = slice(self._starts[at], self._starts[at + 1])
        return dict(zip(self._others[part].tolist(), self._alike[part].tolist(), strict=True))

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices.tolist())

    def __len__(self) -> int:
        return len(self._indices)


@dataclass(frozen=True)
class Links:
    """Images that show the same picture.

    near: {index: {other index: correlation}}, symmetric, exact copies left out. same: {index: the indices of
    all images with its very pixels, itself included}, only where there is more than one. threshold: the
    correlation from which two images are called near duplicates. changed: {(image, benchmark image): change}
    where only a changed copy of the benchmark image is like it. changed_within: bits of the hash within which
    changed copies were looked for.
    """

    near: Mapping[int, dict[int, float]]
    same: dict[int, list[int]]
    threshold: float
    changed: dict[tuple[int, int], str] = field(default_factory=dict)
    changed_within: int = 0

    def of(self, index: int) -> dict[int, float]:
        """Every image that shows the picture of `index`, with its correlation (exact copies: 1)."""
        copies = {other: 1.0 for other in self.same.get(index, []) if other != index}
        return {**self.near.get(index, {}), **copies}


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
