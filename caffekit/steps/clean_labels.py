"""Who judges labels for `clean`, what is said about it, and the rows for a person to review."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.confident import Evidence
from caffekit.checks.labels import LEAST_AGREEMENT
from caffekit.checks.subject import Subject
from caffekit.config.schema import CleanSettings
from caffekit.formats.features import read_features
from caffekit.formats.image_list import ImageList
from caffekit.options import Options

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

WEAK = (
    0.5  # of a judge's agreement with the labels: every second time it is the one that is wrong, or they are
)
BY = {"features": "the features", "net": "small nets", "edges": "edges"}


def features_of(images: ImageList, settings: CleanSettings) -> Floats | None:
    """The features that were given, a row per image; read first, so that a wrong file costs no time."""
    if settings.features is None or not settings.labels:
        return None
    return read_features(settings.features, [item.path for item in images.items])


def appoint(subject: Subject, features: Floats | None, settings: CleanSettings, options: Options) -> None:
    """Give `subject` its judge of labels."""

    def by_features(use: Ints, codes: Ints, groups: Ints, classes: int) -> Evidence:
        from caffekit.checks.feature_judge import judge_by_features

        options.note(f"labels: neighbours and regressions on the features of {len(use)} images")
        return judge_by_features(np.asarray(features)[use], codes, groups, classes, options.seed)

    def by_nets(use: Ints, codes: Ints, groups: Ints, classes: int) -> Evidence:
        from caffekit.steps.label_net import judge_by_nets

        return judge_by_nets(subject.rows, use, codes, groups, classes, options)

    subject.judge_by = settings.labels_by if features is None else "features"
    subject.judge = by_nets if features is None else by_features


def label_warnings(subject: Subject) -> list[str]:
    """What to know about the check of labels: that it could say little, or that there is more to look at."""
    notes = subject.notes
    if "label_evidence" not in notes:
        return []
    by, agreement = BY[notes["label_evidence"]], notes["label_agreement"]
    if notes["label_evidence"] == "edges" and agreement < LEAST_AGREEMENT:
        return [
            f"labels were not checked: only {agreement:.0%} of the images look like their own class, too few"
            " to call any label wrong; --labels-by net looks more closely"
        ]
    if agreement < WEAK:
        return [
            f"labels were hardly checked: {by} agree with only {agreement:.0%} of them, so they or the labels"
            " are often wrong; review.csv begins with the most doubtful; --features of a good net sees more"
        ]
    return []


def label_lines(subject: Subject) -> list[str]:
    """For people: how labels were judged."""
    if subject.judged is None:
        return []
    by, agreement = BY[subject.notes["label_evidence"]], subject.notes["label_agreement"]
    doubtful = int(subject.judged.doubtful.sum())
    return [f"  labels: {by} agree with {agreement:.0%}; {doubtful} doubtful: review.csv, worst first"]


def review_rows(subject: Subject, rejected: Mapping[int, list[object]]) -> list[list[object]]:
    """What a person may correct: all that is rejected, then every image whose label was judged, worst first.

    rejected: {index: row of rejected.csv}. Classes by name, but for such as look like ids.
    """
    names = subject.classes or []

    def name(label: int) -> object:
        return label if not names or names[label].isdecimal() else names[label]

    likely: dict[int, int] = {}
    order: list[int] = []
    if subject.judged is not None:
        judged = subject.judged
        order = np.lexsort((judged.indices, judged.score)).tolist()
        likely = dict(zip(judged.indices.tolist(), judged.likely.tolist(), strict=True))
    rows: list[list[object]] = []
    for i, (path, _, reason, score, detail) in rejected.items():
        looks = name(likely[i]) if reason == "suspect-label" else ""
        rows.append([path, name(int(subject.labels[i])), "", reason, score, detail, looks])
    for n in order:
        i, looks = int(judged.indices[n]), int(judged.likely[n])
        if i not in rejected:
            detail = f"looks like {subject.class_name(looks)}" if judged.doubtful[n] else ""
            given = name(int(subject.labels[i]))
            rows.append([subject.path(i), given, "", "", f"{judged.score[n]:.4g}", detail, name(looks)])
    return rows
