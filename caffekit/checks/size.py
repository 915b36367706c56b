"""Images of an unusable size or shape."""

from __future__ import annotations

import numpy as np

from caffekit.checks.subject import Finding, Subject

MAX_ASPECT = 4.0


def too_small(subject: Subject) -> dict[int, Finding]:
    """The shorter side has fewer than min_size pixels; score: the shorter side."""
    found = {}
    width, height = subject.column("width"), subject.column("height")
    short = np.minimum(width, height)
    for n in np.flatnonzero(short < subject.min_size):
        size = f"{width[n]:.0f}x{height[n]:.0f}"
        found[int(subject.readable[n])] = Finding(
            float(short[n]), f"{size}, expected {subject.min_size} or more"
        )
    return found


def odd_aspect(subject: Subject) -> dict[int, Finding]:
    """Longer than 4 times the width (or twice what is usual in this set); score: longer side over shorter."""
    width, height = subject.column("width"), subject.column("height")
    if not len(width):
        return {}
    aspect = np.maximum(width, height) / np.minimum(width, height)
    limit = subject.limit("odd-aspect", max(MAX_ASPECT, 2 * float(np.median(aspect))))
    return {
        int(subject.readable[n]): Finding(
            float(aspect[n]), f"{width[n]:g}x{height[n]:g}, expected at most 1:{limit:g}"
        )
        for n in np.flatnonzero(aspect > limit)
    }
