"""Images that stand in a benchmark, too: a model must not be trained on what it is judged by."""

from __future__ import annotations

from bisect import bisect_left

from caffekit.checks.subject import Finding, Subject


def benchmark_duplicate(subject: Subject) -> dict[int, Finding]:
    """The same picture as a benchmark image, mirrored, cropped or turned, too; score: the correlation."""
    count = subject.count
    found = {}
    for i in {*subject.links.near, *subject.links.same}:
        if i >= count:
            continue
        others = {j: alike for j, alike in subject.links.near.get(i, {}).items() if j >= count}
        copies = subject.links.same.get(i, [])
        exact = copies[bisect_left(copies, count)] if copies and copies[-1] >= count else -1
        if exact >= 0:
            others[exact] = 1.0
        if others:
            best = max(others, key=lambda j: (others[j], -j))
            change = subject.links.changed.get((i, best))
            how = "the same as" if best == exact else "nearly the same as"
            what = f"{subject.path(best)} of the benchmark" + (f", {change}" if change else "")
            found[i] = Finding(others[best], f"{how} {what}")
    return found
