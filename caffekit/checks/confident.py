"""Which labels out-of-sample probabilities speak against: confident learning (Northcutt et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Temperatures tried, from sharper to flatter than what the judge says.
TEMPERATURES = np.geomspace(0.25, 8, 41)
SAMPLE = 5000
# Labels less probable than SURE are rejected: of those in CIFAR-10 with 2 to 10 % wrong labels, 9 of 10 are
# wrong. EASY where the judge knows the classes well, as those of digits: 9 of 10 there, too. Less sure ones,
# up to twice and then LEAST_SURE, where as many wrong labels as below are behind that of this set.
SURE, EASY, LEAST_SURE = 0.001, 0.02, 0.1
WELL = 0.95  # of the other labels are the likeliest
PURE = 0.95
ENOUGH = 10


class Evidence(NamedTuple):
    """What a judge that has not learnt from an image says of its label, an entry per image.

    own: the probability of the given class. other: that of the likeliest other class. likely: which it is.
    random: that of one of the other classes by chance, which is what a wrong label would have.
    """

    own: Floats
    other: Floats
    likely: Ints
    random: Floats


# (indices of images, the code of each one's class, groups of copies, number of classes) → what a judge says.
Judge = Callable[[Ints, Ints, Ints, int], Evidence]


class Judged(NamedTuple):
    """The images whose labels were judged, and how: by score (small: doubtful), and what they look like.

    doubtful: such as a person should look at.
    """

    indices: Ints
    score: Floats
    likely: Ints
    doubtful: Mask


def evidence(logits: Floats, codes: Ints, temperature: float = 1.0) -> Evidence:
    """From images × classes numbers whose softmax are the probabilities; codes: the given classes."""
    scaled = logits / np.float32(temperature)
    values = np.exp(scaled - scaled.max(1, keepdims=True))
    values /= values.sum(1, keepdims=True)
    count, classes = values.shape
    rows = np.arange(count)
    own = values[rows, codes].copy()
    random = values[rows, (codes + np.random.default_rng(0).integers(1, classes, count)) % classes]
    values[rows, codes] = -1
    return Evidence(own, values.max(1), values.argmax(1).astype(np.int64), random)


def best_temperature(logits: Floats, codes: Ints) -> float:
    """With which the probabilities fit the given labels best: who has learnt is surer than he may be."""
    some = np.random.default_rng(0).permutation(len(logits))[:SAMPLE]
    if not len(some):
        return 1.0
    losses = [
        -np.log(np.maximum(evidence(logits[some], codes[some], t).own, 1e-12)).mean() for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])


def joined(parts: Sequence[Evidence], places: Sequence[Ints]) -> Evidence:
    """The evidence of folds as one; places: which images each judged, each image once."""
    order = np.argsort(np.concatenate(list(places)))
    columns = [np.concatenate(column)[order] for column in zip(*parts, strict=True)]
    return Evidence(*columns)


def suspects(found: Evidence, codes: Ints, classes: int) -> Mask:
    """As much like another class as that class's own images on average, and less like their own.

    Self-confidence, a threshold for each class: else large and easy classes would claim all.
    """
    counts = np.bincount(codes, minlength=classes)
    confidence = np.bincount(codes, found.own, classes) / np.maximum(counts, 1)
    mask: Mask = (found.other >= confidence[found.likely]) & (found.other > found.own)
    return mask


def limit(found: Evidence) -> float:
    """The probability below which 9 of 10 labels are wrong: SURE or EASY, or more where this set allows it.

    The share of labels below a limit, over the share of random labels below it, is the share of wrong labels
    while there are only such. Where it grows with the limit, right labels have begun.
    """
    rest = found.own >= LEAST_SURE
    least = EASY if rest.any() and (found.own > found.other)[rest].mean() >= WELL else SURE
    steps = np.geomspace(SURE, LEAST_SURE, 41)
    own, random = (np.searchsorted(np.sort(values), steps) for values in (found.own, found.random))
    shares = own / np.maximum(random, 1)
    trusted = np.flatnonzero((own >= ENOUGH) & (steps <= 2 * least))
    if not len(trusted):
        return least
    grown = np.append(shares[trusted[0] :] * PURE > shares[trusted].min(), True)
    last = trusted[0] + int(grown.argmax()) - 1
    return max(least, float(steps[max(0, last)]))


def agreement(found: Evidence) -> float:
    """The share of the images whose given class is the likeliest."""
    return float((found.own > found.other).mean()) if len(found.own) else 0.0
