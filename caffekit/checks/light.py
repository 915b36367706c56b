"""Images that are black or white all over. The limits give way where the whole set is so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.subject import Finding, Subject

LIMIT = 24.0  # grey levels of 255
USUAL = 0.5  # … and at most this share of what is usual in the set: night photos are not all too dark


def too_dark(subject: Subject) -> dict[int, Finding]:
    """99 % of the pixels are nearly black; score: the grey level they stay below."""
    return _below(subject, subject.column("dark"), "99 % of the pixels are below grey level {:.0f}", False)


def too_bright(subject: Subject) -> dict[int, Finding]:
    """99 % of the pixels are nearly white; score: the grey level they stay above."""
    return _below(
        subject, 255 - subject.column("bright"), "99 % of the pixels are above grey level {:.0f}", True
    )


def _below(subject: Subject, values: NDArray[np.float64], text: str, turned: bool) -> dict[int, Finding]:
    if not len(values):
        return {}
    limit = min(LIMIT, USUAL * float(np.median(values)))
    shown = 255 - values if turned else values
    return {
        int(subject.readable[n]): Finding(float(shown[n]), text.format(shown[n]))
        for n in np.flatnonzero(values < limit)
    }
