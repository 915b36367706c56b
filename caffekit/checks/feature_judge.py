"""What features that the user gives say of labels: neighbours and logistic regressions, out of sample."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.confident import Evidence, best_temperature, evidence, joined
from caffekit.checks.folds import folds
from caffekit.checks.neighbours import class_distances, references

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Logits = Callable[[Ints], Floats]

FOLDS = 5
COMPONENTS = 128
LEARNT = 20_000  # images that a regression learns from
MOST_CLASSES = 500  # of a regression; of more, neighbours alone decide
SAMPLE, BLOCK = 4000, 4096
SCALE = 10.0  # of distances: only near enough for the temperature to be found


def judge_by_features(features: Floats, codes: Ints, groups: Ints, classes: int, seed: int = 0) -> Evidence:
    """The evidence of neighbours in other groups and of a regression on all folds but the image's own.

    features: a row per image. codes: its class, 0 to `classes` - 1. groups: equal for copies.
    """
    features = _unit(features - features.mean(0))
    of = folds(codes, groups, FOLDS, seed)
    near = _neighbours(features, codes, groups, classes)
    found, places = [], [np.flatnonzero(of == number) for number in range(FOLDS)]
    for number, place in enumerate(places):
        sources = [near]
        if classes <= MOST_CLASSES:
            sources.append(_regression(features, codes, np.flatnonzero(of != number), classes, seed))
        found.append(_judged(sources, codes, place, classes, seed))
    return joined(found, places)


def _judged(sources: list[Logits], codes: Ints, place: Ints, classes: int, seed: int) -> Evidence:
    """What the sources say together, each as sure as it may be, a block of images at a time."""
    some = np.random.default_rng(seed).permutation(place)[:SAMPLE]
    heat = [best_temperature(source(some), codes[some]) for source in sources]

    def logits(part: Ints) -> Floats:
        total = np.zeros((len(part), classes), np.float32)
        for source, t in zip(sources, heat, strict=True):
            total += source(part) / np.float32(t)
        return total

    together = best_temperature(logits(some), codes[some])
    starts = range(0, len(place), BLOCK)
    blocks = [place[start : start + BLOCK] for start in starts]
    parts = [evidence(logits(block), codes[block], together) for block in blocks]
    return joined(parts, [np.arange(at, at + len(b)) for at, b in zip(starts, blocks, strict=True)])


def _neighbours(features: Floats, codes: Ints, groups: Ints, classes: int) -> Logits:
    members = references(codes, classes)
    others, their_groups = [features[each] for each in members], [groups[each] for each in members]

    def logits(part: Ints) -> Floats:
        distances = class_distances(features[part], groups[part], others, their_groups)
        out: Floats = -np.float32(SCALE) * np.minimum(distances, 2)  # of unit rows none is farther
        return out

    return logits


def _regression(features: Floats, codes: Ints, learn: Ints, classes: int, seed: int) -> Logits:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learn = np.sort(np.random.default_rng(seed).permutation(learn)[:LEARNT])
    size = min(COMPONENTS, features.shape[1], len(learn))
    model: Any = make_pipeline(
        PCA(size, whiten=False, random_state=seed), StandardScaler(), LogisticRegression(C=0.01, max_iter=200)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not quite converged is near enough
        model.fit(features[learn], codes[learn])

    def logits(part: Ints) -> Floats:
        out = np.full((len(part), classes), -20, np.float32)  # a class that no learnt image has
        out[:, model.classes_] = np.log(np.maximum(model.predict_proba(features[part]), 1e-9))
        return out

    return logits


def _unit(rows: Floats) -> Floats:
    out: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return out
