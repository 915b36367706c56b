"""Images that show nothing."""

from __future__ import annotations

import numpy as np

from caffekit.checks.subject import Finding, Subject

LIMIT = 4.0  # grey levels
USUAL = 0.5  # … and at most this share of what is usual in the set


def low_information(subject: Subject) -> dict[int, Finding]:
    """All pixels have nearly the same grey; score: their standard deviation, in grey levels."""
    spread = subject.column("spread")
    if not len(spread):
        return {}
    limit = subject.limit("low-information", min(LIMIT, USUAL * float(np.median(spread))))
    return {
        int(subject.readable[n]): Finding(
            float(spread[n]), f"nearly one grey (deviation {spread[n]:.1f} levels)"
        )
        for n in np.flatnonzero(spread <= limit)
    }
