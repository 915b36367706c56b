"""Blurred images: those without the finest details that others of the set have."""

from __future__ import annotations

import numpy as np

from caffekit.checks.subject import Finding, Subject

# A blur of 2 pixels leaves 0.19 to 0.21 of any photo; of 1,500 sharp ones tried the least had 0.30.
LIMIT = 0.22
USUAL = 0.3  # … and at most this share of what is usual in the set


def blurry(subject: Subject) -> dict[int, Finding]:
    """Hardly any detail finer than a pixel, even where the image is sharpest; score: see features.sharpness.

    Images below 64 pixels are not judged.
    """
    values = subject.column("sharpness")
    told = np.isfinite(values)
    if not told.any():
        return {}
    limit = subject.limits.get("blurry", min(LIMIT, USUAL * float(np.median(values[told]))))
    return {
        int(subject.readable[n]): Finding(
            float(values[n]), f"sharpness {values[n]:.3f}, expected {limit:.3f} or more"
        )
        for n in np.flatnonzero(told & (values < limit))
    }
