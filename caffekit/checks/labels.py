"""Labels that the images themselves speak against.

First by what costs nothing: the edges of each picture, compared with those of the nearest others of every
class. That is enough for digits and signs. Where many images look less like their own class than like
another, a judge decides that learns: small nets, or regressions on features that the user gives.
"""

from __future__ import annotations

import numpy as np

from caffekit.checks import confident, features
from caffekit.checks.confident import Floats, Ints, Judged, Mask
from caffekit.checks.links import components
from caffekit.checks.neighbours import LEAST_OF_CLASS, class_distances, references
from caffekit.checks.subject import Finding, Subject

# Own class this much farther than the likely one: 90 % of what it rejects is wrong on MNIST with 2 % flipped
# labels, all of it on the demo's digits, and 95 to 100 % of the flips are found.
LIMIT = 0.8
# The rest must fit its labels this well, or edges cannot tell the classes apart and nothing is said by them.
LEAST_AGREEMENT = 0.9
LEAST_IMAGES = 100  # for a judge to learn from, unless it is asked for
SAMPLE, BLOCK = 2000, 4096


def suspect_label(subject: Subject) -> dict[int, Finding]:
    """Images unlike their own class and like another; score: the probability of the given label.

    By edges: the distance to the likely class over that to the own one. Fills subject.judged, the scores of
    all images judged, and notes label_evidence and label_agreement, the share of the images whose own class
    is the likeliest.
    """
    use = np.array([i for i in subject.readable.tolist() if i not in subject.out], np.int64)
    groups = _groups(subject, use)
    pictures = np.unique(np.stack([subject.labels[use], groups]), axis=1)[0]  # copies of one count once
    present, counts = np.unique(pictures, return_counts=True)
    classes = present[counts >= LEAST_OF_CLASS]
    if len(classes) < 2:
        return {}
    judged = np.isin(subject.labels[use], classes)
    use, groups = use[judged], groups[judged]
    codes = np.searchsorted(classes, subject.labels[use])
    if subject.judge_by in ("auto", "edges"):
        found = _by_edges(subject, use, codes, groups, classes)
        if found is not None:
            return found
    if subject.judge is None:
        return {}
    said = subject.judge(use, codes, groups, len(classes))
    subject.notes["label_evidence"] = "features" if subject.judge_by == "features" else "net"
    subject.notes["label_agreement"] = confident.agreement(said)
    subject.notes["label_limit"] = limit = subject.limits.get("suspect-label", confident.limit(said))
    doubtful = confident.suspects(said, codes, len(classes))
    wrong = (said.own < limit) & (said.other > said.own)
    return _findings(subject, Judged(use, said.own, classes[said.likely], doubtful), wrong)


def _by_edges(
    subject: Subject, use: Ints, codes: Ints, groups: Ints, classes: Ints
) -> dict[int, Finding] | None:
    """None where edges do not tell the classes apart and somebody else can judge."""
    limit = subject.limits.get("suspect-label", LIMIT)
    members = references(codes, len(classes))
    others = [_edges(subject, use[each]) for each in members]
    their_groups = [groups[each] for each in members]

    def judge(part: Ints) -> tuple[Floats, Ints]:
        distances = class_distances(_edges(subject, use[part]), groups[part], others, their_groups)
        return _ratios(distances, codes[part])

    some = np.random.default_rng(0).permutation(len(use))[:SAMPLE]
    fits = _agreement(judge(some)[0], limit) >= LEAST_AGREEMENT
    enough = len(use) >= LEAST_IMAGES and subject.judge is not None
    if not fits and subject.judge_by == "auto" and enough:
        return None
    blocks = [judge(np.arange(at, min(at + BLOCK, len(use)))) for at in range(0, len(use), BLOCK)]
    ratio, likely = (np.concatenate(each) for each in zip(*blocks, strict=True))
    subject.notes["label_evidence"] = "edges"
    subject.notes["label_agreement"] = agreement = _agreement(ratio, limit)
    wrong = (ratio < limit) & (agreement >= LEAST_AGREEMENT)
    return _findings(subject, Judged(use, ratio, classes[likely], ratio < 1), wrong)


def _ratios(distances: Floats, codes: Ints) -> tuple[Floats, Ints]:
    """The distance to the nearest other class over that to the own; 1 where the own has too few others."""
    every = np.arange(len(codes))
    own = distances[every, codes].copy()
    distances[every, codes] = np.inf
    other = distances.min(1)
    told = np.isfinite(own) & np.isfinite(other)
    ratio = np.where(told, np.where(told, other, 1) / np.maximum(np.where(told, own, 1), 1e-6), 1)
    return ratio.astype(np.float32), distances.argmin(1)


def _agreement(ratio: Floats, limit: float) -> float:
    """The share of the images, without those to be rejected, that look like their own class."""
    rest = ratio[ratio >= limit]
    return float((rest > 1).mean()) if len(rest) else 0.0


def _edges(subject: Subject, indices: Ints) -> Floats:
    thumbs = subject.rows.pictures(indices)["thumb"]
    return np.array([features.edges(thumb) for thumb in thumbs], np.float32)


def _groups(subject: Subject, use: Ints) -> Ints:
    """The same number for images that show the same picture."""
    group = np.arange(len(subject.rows))
    if "links" in subject.__dict__:  # some check asked for them
        for members in components(subject.links):
            group[members] = members[0]
    return group[use]


def _findings(subject: Subject, judged: Judged, wrong: Mask) -> dict[int, Finding]:
    subject.judged = judged
    return {
        int(judged.indices[n]): Finding(
            float(judged.score[n]), f"looks like {subject.class_name(int(judged.likely[n]))}"
        )
        for n in np.flatnonzero(wrong)
    }
