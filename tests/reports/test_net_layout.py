"""Boxes of a drawn net: none over another, arrows downwards, branches side by side."""

from __future__ import annotations

from itertools import pairwise

import pytest

from caffekit.reports.net_layout import GAP, lay_out

DIAMOND = [(0, 1), (0, 2), (1, 3), (2, 3)]
SKIP = [(0, 1), (1, 2), (2, 3), (0, 3)]
# Two branches declared crosswise: the second rank must turn round to draw them without a crossing.
CROSSED = [(0, 3), (1, 2)]


@pytest.mark.parametrize("edges", [DIAMOND, SKIP, CROSSED, []])
def test_boxes_keep_their_gaps_and_arrows_point_down(edges: list[tuple[int, int]]) -> None:
    widths = [100.0, 60.0, 140.0, 80.0]
    at = lay_out(widths, edges)
    rank = {node: n for n, nodes in enumerate(at.ranks) for node in nodes}
    assert all(rank[upper] < rank[lower] for upper, lower in edges)
    for nodes in at.ranks:
        for left, right in pairwise(nodes):
            half = sum(widths[n] / 2 for n in (left, right) if n < 4)
            assert at.x[right] - at.x[left] >= half + GAP - 1e-6


def test_a_way_over_several_ranks_bends_around_the_straight_one() -> None:
    at = lay_out([100.0] * 4, SKIP)
    assert max(at.x[:4]) - min(at.x[:4]) < 10
    assert len(at.ways[3]) == 4
    assert all(abs(at.x[node] - at.x[1]) > 50 for node in at.ways[3][1:-1])


def test_order_avoids_crossings() -> None:
    at = lay_out([100.0] * 4, CROSSED)
    assert (at.x[0] < at.x[1]) == (at.x[3] < at.x[2])
