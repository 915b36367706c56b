"""Labels that the images themselves speak against.

Each image is compared with the three nearest others of every class (edges in directions and places, so the
picture's shape). Distance per class rather than votes among the k nearest: a class of few images would be
outvoted by its large neighbours and be called wrong for being rare.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.subject import Finding, Subject

Floats = NDArray[np.float32]

NEAREST = 3
# Own class this much farther than the likely one: 90 % of what it rejects is wrong on MNIST with 2 % flipped
# labels, all of it on the demo's digits, and 95 to 100 % of the flips are found.
LIMIT = 0.8
# The rest must fit its labels this well, or these features cannot tell the classes apart and nothing is said.
LEAST_AGREEMENT = 0.9
LEAST_OF_CLASS = 5
MAX_REFERENCES = 20_000
BATCH = 512


def suspect_label(subject: Subject) -> dict[int, Finding]:
    """Images far from their own class and near another; score: distance to that over distance to their own.

    Notes label_agreement: the share of the other images whose own class is the nearest. Below 0.9 nothing is
    rejected: these features cannot judge such images.
    """
    use = [i for i in subject.readable.tolist() if i not in subject.out]
    labels = subject.labels[use]
    present, counts = np.unique(labels, return_counts=True)
    classes = present[counts >= LEAST_OF_CLASS]
    judged = np.isin(labels, classes)
    use, labels = [i for i, told in zip(use, judged, strict=True) if told], labels[judged]
    if len(classes) < 2:
        return {}
    edges = np.array([subject.rows[i].edges for i in use], np.float32)
    distances = class_distances(edges, labels, classes)
    own = np.searchsorted(classes, labels)
    every = np.arange(len(use))
    own_distance = distances[every, own].copy()
    distances[every, own] = np.inf
    ratio = distances.min(1) / np.maximum(own_distance, 1e-6)
    wrong = ratio < LIMIT
    agreement = float((ratio[~wrong] > 1).mean()) if not wrong.all() else 0.0
    subject.notes["label_agreement"] = agreement
    if agreement < LEAST_AGREEMENT:
        return {}
    likely = classes[distances.argmin(1)]
    return {
        use[n]: Finding(float(ratio[n]), f"looks like {subject.class_name(int(likely[n]))}")
        for n in np.flatnonzero(wrong)
    }


def class_distances(features: Floats, labels: NDArray[np.int64], classes: NDArray[np.int64]) -> Floats:
    """Images × classes: the mean distance to the NEAREST images of each class, not counting the image itself.

    Large classes are represented by a sample, so that a million images remain feasible.
    """
    limit = max(LEAST_OF_CLASS, MAX_REFERENCES // len(classes))
    random = np.random.default_rng(0)
    members = [random.permutation(np.flatnonzero(labels == label))[:limit] for label in classes]
    out = np.empty((len(features), len(classes)), np.float32)
    for start in range(0, len(features), BATCH):
        part = np.arange(start, min(start + BATCH, len(features)))
        for column, references in enumerate(members):
            squared = np.maximum(2 - 2 * features[part] @ features[references].T, 0)
            squared[part[:, None] == references] = np.inf
            nearest = np.partition(squared, NEAREST - 1, axis=1)[:, :NEAREST]
            out[part, column] = np.sqrt(nearest).mean(1)
    return out
