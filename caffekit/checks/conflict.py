"""One picture under two labels: one of them is wrong, and nothing here says which."""

from __future__ import annotations

from caffekit.checks.subject import Finding, Subject


def conflicting_label(subject: Subject) -> dict[int, Finding]:
    """Every copy, exact or near, of a picture that stands under several labels; score: the correlation."""
    found: dict[int, Finding] = {}
    count = subject.count
    copies = _copies(subject)
    for i in {*subject.links.near, *subject.links.same}:
        if i >= count:
            continue
        near = {j: alike for j, alike in subject.links.near.get(i, {}).items() if j < count}
        others = {
            j: alike
            for j, alike in {**near, **copies.get(i, {})}.items()
            if subject.labels[i] != subject.labels[j]
        }
        if others:
            j = max(others, key=lambda other: (others[other], -other))
            name = subject.class_name(int(subject.labels[j]))
            found[i] = Finding(others[j], f"the same picture stands as {name} in {subject.path(j)}")
    return found


def _copies(subject: Subject) -> dict[int, dict[int, float]]:
    """For each image with exact copies: the first of them under each label, at a correlation of 1.

    One dict for all images of a group: of thousands of copies not every pair is gone through.
    """
    shared: dict[int, dict[int, float]] = {}
    for group in subject.links.same.values():
        if group[0] not in shared:
            members = [j for j in group if j < subject.count]
            firsts = dict(zip(subject.labels[members[::-1]].tolist(), members[::-1], strict=True))
            shared[group[0]] = dict.fromkeys(firsts.values(), 1.0)
    return {i: shared[group[0]] for i, group in subject.links.same.items()}
