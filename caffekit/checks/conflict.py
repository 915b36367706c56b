"""One picture under two labels: one of them is wrong, and nothing here says which."""

from __future__ import annotations

from caffekit.checks.subject import Finding, Subject


def conflicting_label(subject: Subject) -> dict[int, Finding]:
    """Every copy, exact or near, of a picture that stands under several labels; score: the correlation."""
    found: dict[int, Finding] = {}
    for i in {*subject.links.near, *subject.links.same}:
        others = {
            j: alike
            for j, alike in subject.links.of(i).items()
            if i < len(subject.rows) and j < len(subject.rows) and subject.labels[i] != subject.labels[j]
        }
        if others:
            j = max(others, key=lambda other: (others[other], -other))
            name = subject.class_name(int(subject.labels[j]))
            found[i] = Finding(others[j], f"the same picture stands as {name} in {subject.path(j)}")
    return found
