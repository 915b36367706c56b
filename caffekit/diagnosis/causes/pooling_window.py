"""A pooling stride above the kernel leaves a last window that is empty: 0/0 = nan in AVE."""

from __future__ import annotations

from caffekit.diagnosis.evidence import Cause, Evidence


def pooling_window(e: Evidence) -> Cause | None:
    """Computed from the shapes of the net, without running it."""
    return None
