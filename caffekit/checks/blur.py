"""Blurred images: those without the finest details that others of the set have."""

from __future__ import annotations

import numpy as np

from caffekit.checks.subject import Finding, Subject

# Of photos of 150 to 500 pixels that are sharp the least had 0.37, half more than 1.3. A blur of 3 pixels
# leaves 0.17 to 0.37, and one of 2 pixels 0.19 to 0.69: it is half as wide where the image was reduced.
LIMIT = 0.48
USUAL = 0.3  # … and at most this share of what is usual in the set


def blurry(subject: Subject) -> dict[int, Finding]:
    """Hardly any detail finer than a pixel, even where the image is sharpest; score: see features.sharpness.

    Images below 64 pixels are not judged.
    """
    values = subject.column("sharpness")
    told = np.isfinite(values)
    if not told.any():
        return {}
    limit = subject.limit("blurry", min(LIMIT, USUAL * float(np.median(values[told]))))
    return {
        int(subject.readable[n]): Finding(
            float(values[n]), f"sharpness {values[n]:.3f}, expected {limit:.3f} or more"
        )
        for n in np.flatnonzero(told & (values < limit))
    }
