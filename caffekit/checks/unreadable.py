"""Files that have no pixels: the decoder's verdict, one reason each."""

from __future__ import annotations

from caffekit.checks.subject import Finding, Subject


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
    return {i: Finding(row.bytes, row.detail) for i, row in enumerate(subject.rows) if row.reason == reason}
