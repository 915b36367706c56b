"""Copies within the set. One of a group stays.

Which one: among those that pass every other check, the one with the most pixels, then without a flaw, then
with the most bytes in a JPEG (all lossless files are alike, and better), then the one with the shortest path
(copies are called "x (1).jpg" and "x-copy.jpg"), then the first.
"""

from __future__ import annotations

from collections.abc import Iterable

from caffekit.checks.subject import Finding, Subject


def exact_duplicate(subject: Subject) -> dict[int, Finding]:
    """The same pixels as an image that stays; score: 1."""
    found = {}
    for group in {tuple(group) for group in subject.links.same.values()}:
        candidates = _in_set(subject, group)
        if candidates:
            best = min(candidates, key=subject.place.__getitem__)
            contents = subject.rows.columns["content"]
            for i in candidates:
                if i != best:
                    what = "file" if (contents[i] == contents[best]).all() else "pixels"
                    found[i] = Finding(1.0, f"the same {what} as {subject.path(best)}")
    return found


def near_duplicate(subject: Subject) -> dict[int, Finding]:
    """Nearly the same picture as an image that stays; score: the correlation.

    In order of rank, an image stays unless one that stays is linked to it: nothing is lost over a chain of
    likenesses.
    """
    found: dict[int, Finding] = {}
    order = sorted(_in_set(subject, subject.links.near), key=subject.place.__getitem__)
    place = {i: n for n, i in enumerate(order)}
    for i in order:
        if i in found:
            continue
        for j, alike in subject.links.near[i].items():
            if place.get(j, -1) > place[i] and j not in found:
                found[j] = Finding(alike, f"nearly the same as {subject.path(i)}")
    return found


def _in_set(subject: Subject, indices: Iterable[int]) -> list[int]:
    """Those of `indices` that belong to the set and pass all other checks."""
    return [i for i in indices if i < subject.count and i not in subject.out]
