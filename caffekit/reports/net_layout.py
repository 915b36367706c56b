"""Where the boxes of a drawn net stand: layers of a graph from top to bottom, as Sugiyama et al. 1981.

Ranks by the longest way from the top; arrows over several ranks pass through points in between; order
within a rank by the mean place of the neighbours; places by least squares that keep the order and the gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GAP = 26.0  # between boxes of a rank
SWEEPS = 12
# A long way pulls little on a box, so that the main way stays straight and the others bend around it.
PULL = 0.05

Edge = tuple[int, int]


@dataclass
class Layout:
    """`ranks` lists the nodes from left to right; those from `boxes` on are points that `ways` pass."""

    boxes: int
    ranks: list[list[int]]
    x: list[float]
    ways: list[list[int]]


def lay_out(widths: Sequence[float], edges: Sequence[Edge]) -> Layout:
    """Centres of boxes of `widths` joined by `edges`, which run from lower to higher indices."""
    count = len(widths)
    rank = _ranks(count, edges)
    ways, wide, rank = _through(edges, rank, list(widths))
    links = [pair for way in ways for pair in zip(way, way[1:], strict=False)]
    ranks: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for node in sorted(range(len(rank)), key=lambda node: _first(node, count, ways)):
        ranks[rank[node]].append(node)
    above: list[list[int]] = [[] for _ in rank]
    below: list[list[int]] = [[] for _ in rank]
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    pulls = [1.0] * len(rank)
    for way in ways:
        for node in way[1:-1]:  # a branch that is one box shorter than its neighbours counts as one of them
            pulls[node] = 1.0 if len(way) == 3 else PULL
    ranks = _ordered(ranks, above, below)
    return Layout(count, ranks, _places(ranks, wide, above, below, pulls), ways)


def _first(node: int, count: int, ways: list[list[int]]) -> float:
    """Points stand at first where the box is that they lead to."""
    if node < count:
        return node
    return next(way[-1] for way in ways if node in way) - 0.5


def _ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    rank = [0] * count
    for upper, lower in sorted(edges):
        rank[lower] = max(rank[lower], rank[upper] + 1)
    fed = {lower for _, lower in edges}
    for node in range(count):  # what nothing feeds stands just above what it feeds
        readers = [rank[lower] for upper, lower in edges if upper == node]
        if node not in fed and readers:
            rank[node] = max(0, min(readers) - 1)
    return rank


def _through(
    edges: Sequence[Edge], rank: list[int], wide: list[float]
) -> tuple[list[list[int]], list[float], list[int]]:
    """Each edge as the nodes it passes, with a point in every rank between its ends."""
    ways = []
    for upper, lower in edges:
        way = [upper]
        for between in range(rank[upper] + 1, rank[lower]):
            way.append(len(rank))
            rank.append(between)
            wide.append(0.0)
        ways.append([*way, lower])
    return ways, wide, rank


def _ordered(ranks: list[list[int]], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """The order with the fewest crossings that the sweeps meet."""
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks, above)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for i in range(1, len(ranks)) if down else range(len(ranks) - 2, -1, -1):
            fixed, neighbours = (ranks[i - 1], above) if down else (ranks[i + 1], below)
            place = {node: n for n, node in enumerate(fixed)}
            own = {node: n for n, node in enumerate(ranks[i])}
            # Not sorted() in place: a node without neighbours keeps its place.
            ranks[i].sort(
                key=lambda node, near=neighbours, at=place, own=own: (  # type: ignore[misc]
                    float(np.mean([at[n] for n in near[node]])) if near[node] else own[node]
                )
            )
        crossings = _crossings(ranks, above)
        if crossings < fewest:
            best, fewest = [list(rank) for rank in ranks], crossings
    return best


def _crossings(ranks: list[list[int]], above: list[list[int]]) -> int:
    total = 0
    for upper, lower in zip(ranks, ranks[1:], strict=False):
        place = {node: n for n, node in enumerate(upper)}
        ends = [place[n] for node in lower for n in sorted(above[node], key=place.__getitem__)]
        total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
    return total


def _places(
    ranks: list[list[int]],
    wide: list[float],
    above: list[list[int]],
    below: list[list[int]],
    pulls: list[float],
) -> list[float]:
    x = [0.0] * len(wide)
    for rank in ranks:
        _settle(rank, [0.0] * len(rank), [1.0] * len(rank), wide, x)
    for sweep in range(2 * SWEEPS):
        order = ranks if sweep % 2 == 0 else ranks[::-1]
        for rank in order:
            goals, weights = [], []
            for node in rank:
                near = (above if sweep % 2 == 0 else below)[node] or [*above[node], *below[node]]
                pull = [pulls[n] for n in near]
                goals.append(float(np.average([x[n] for n in near], weights=pull)) if near else x[node])
                weights.append(pulls[node])
            _settle(rank, goals, weights, wide, x)
    return x


def _settle(
    rank: list[int], goals: list[float], weights: list[float], wide: list[float], x: list[float]
) -> None:
    """Put the nodes of a rank as near to their goals as order and gaps allow (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in zip(rank, rank[1:], strict=False):
        offsets.append(offsets[-1] + (wide[left] + wide[right]) / 2 + GAP)
    blocks: list[tuple[float, float, int]] = []  # mean of goal minus offset, weight, nodes
    for goal, weight, offset in zip(goals, weights, offsets, strict=True):
        mean, mass, size = goal - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, heavy, many = blocks.pop()
            mean = (mean * mass + before * heavy) / (mass + heavy)
            mass, size = mass + heavy, size + many
        blocks.append((mean, mass, size))
    shifts = [mean for mean, _, size in blocks for _ in range(size)]
    for node, offset, shift in zip(rank, offsets, shifts, strict=True):
        x[node] = offset + shift
