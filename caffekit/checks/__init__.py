"""Checks of images and labels, for `clean`. Adding one: its function, its line here, its test.

A check takes a Subject (every image's Row, its label, what is alike) and gives {index: Finding}. An image's
reason is the first check of the table that found something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from caffekit.checks import (
    benchmark,
    blur,
    conflict,
    duplicates,
    information,
    labels,
    light,
    size,
    unreadable,
)
from caffekit.checks.subject import Finding, Subject

Check = Callable[[Subject], dict[int, Finding]]

CHECKS: dict[str, Check] = {
    "undecodable": unreadable.undecodable,
    "truncated": unreadable.truncated,
    "wrong-format": unreadable.wrong_format,
    "too-large": unreadable.too_large,
    "too-small": size.too_small,
    "odd-aspect": size.odd_aspect,
    "too-dark": light.too_dark,
    "too-bright": light.too_bright,
    "blurry": blur.blurry,
    "low-information": information.low_information,
    "conflicting-label": conflict.conflicting_label,
    "exact-duplicate": duplicates.exact_duplicate,
    "near-duplicate": duplicates.near_duplicate,
    "benchmark-duplicate": benchmark.benchmark_duplicate,
    "suspect-label": labels.suspect_label,
}
# Without pixels there is nothing to keep: these cannot be switched off.
ALWAYS = ("undecodable", "truncated", "wrong-format", "too-large")
# One of a group stays, chosen among those that pass every other check: so these look last.
KEEP_ONE = ("exact-duplicate", "near-duplicate")


def decide(subject: Subject, names: Iterable[str]) -> dict[int, tuple[str, Finding]]:
    """{index: (reason, finding)} of every image that one of the checks `names` rejects."""
    chosen = [name for name in CHECKS if name in names or name in ALWAYS]
    found = {}
    for name in sorted(chosen, key=lambda each: each in KEEP_ONE):
        found[name] = CHECKS[name](subject)
        subject.out |= found[name].keys()
    reasons: dict[int, tuple[str, Finding]] = {}
    for name in chosen:
        for index, finding in found[name].items():
            reasons.setdefault(index, (name, finding))
    return dict(sorted(reasons.items()))
