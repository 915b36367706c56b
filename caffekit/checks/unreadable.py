"""Files that have no pixels: the decoder's verdict, one reason each."""

from __future__ import annotations

import numpy as np

from caffekit.checks.subject import Finding, Subject
from caffekit.checks.table import REASONS


def undecodable(subject: Subject) -> dict[int, Finding]:
    """Damaged or unreadable files; score: bytes."""
    return _with_reason(subject, "undecodable")


def truncated(subject: Subject) -> dict[int, Finding]:
    """Files that end too early; score: bytes."""
    return _with_reason(subject, "truncated")


def wrong_format(subject: Subject) -> dict[int, Finding]:
    """Files that are not images at all, whatever their names say; score: bytes."""
    return _with_reason(subject, "wrong-format")


def too_large(subject: Subject) -> dict[int, Finding]:
    """Images whose header states more pixels than memory should be given for; score: bytes."""
    return _with_reason(subject, "too-large")


def _with_reason(subject: Subject, reason: str) -> dict[int, Finding]:
    columns = subject.rows.columns[: subject.count]
    found = np.flatnonzero(columns["reason"] == REASONS.index(reason)).tolist()
    return {i: Finding(float(columns["bytes"][i]), subject.rows[i].detail) for i in found}
