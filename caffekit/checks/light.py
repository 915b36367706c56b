"""Images that are black or white all over. The limits give way where the whole set is so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.subject import Finding, Subject

LIMIT = 24.0  # grey levels of 255
USUAL = 0.5  # … and at most this share of what is usual in the set: night photos are not all too dark


def too_dark(subject: Subject) -> dict[int, Finding]:
    """99 % of the pixels are nearly black; score: the grey level they stay below."""
    values = subject.column("dark")
    limit = subject.limit("too-dark", _usual(values))
    return {
        int(subject.readable[n]): Finding(
            float(values[n]), f"99 % of the pixels are below grey level {values[n]:.0f}"
        )
        for n in np.flatnonzero(values < limit)
    }


def too_bright(subject: Subject) -> dict[int, Finding]:
    """99 % of the pixels are nearly white; score: the grey level they stay above."""
    values = subject.column("bright")
    limit = subject.limit("too-bright", 255 - _usual(255 - values))
    return {
        int(subject.readable[n]): Finding(
            float(values[n]), f"99 % of the pixels are above grey level {values[n]:.0f}"
        )
        for n in np.flatnonzero(values > limit)
    }


def _usual(values: NDArray[np.float64]) -> float:
    return min(LIMIT, USUAL * float(np.median(values))) if len(values) else LIMIT
