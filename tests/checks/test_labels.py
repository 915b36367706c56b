"""Wrong labels: what the evidence says, how it is thought over, and what is done about it."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.checks.confident import (
    EASY,
    SURE,
    Evidence,
    agreement,
    best_temperature,
    evidence,
    joined,
    limit,
    suspects,
)
from caffekit.checks.feature_judge import judge_by_features
from caffekit.checks.folds import folds
from caffekit.checks.labels import suspect_label
from caffekit.checks.measure import Row
from caffekit.checks.neighbours import class_distances, references
from caffekit.checks.pictures import mirror_safe, planes
from caffekit.checks.subject import Subject
from caffekit.checks.table import PICTURE, Table


def blobs(count: int, classes: int, wrong: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of classes that are easily told apart, labels (the first `wrong` are), and the right ones."""
    random = np.random.default_rng(seed)
    right = np.arange(count) % classes
    features = random.normal(0, 1, (classes, 16))[right] * 3 + random.normal(0, 1, (count, 16))
    given = right.copy()
    given[:wrong] = (right[:wrong] + 1) % classes
    return features.astype(np.float32), given, right


def test_evidence_is_about_the_given_the_likeliest_other_and_a_random_class() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32))
    said = evidence(logits, np.array([0, 1]))
    assert said.own == pytest.approx([0.7, 0.3]) and said.other == pytest.approx([0.2, 0.6])
    assert said.likely.tolist() == [1, 2] and agreement(said) == 0.5
    assert said.random[0] == pytest.approx(0.2) or said.random[0] == pytest.approx(0.1)
    flat = evidence(logits, np.array([0, 1]), temperature=100.0)
    assert flat.own == pytest.approx([1 / 3, 1 / 3], abs=0.01)


def test_the_temperature_undoes_exaggeration() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 1, (4000, 5)).astype(np.float32)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (chances.cumsum(1) > random.random((4000, 1))).argmax(1)
    assert best_temperature(logits * 4, labels) == pytest.approx(4, rel=0.1)


def test_folds_are_put_together_again() -> None:
    parts = [Evidence(*(np.full(2, n + k, np.float32) for k in range(4))) for n in (0, 10)]
    whole = joined(parts, [np.array([3, 0]), np.array([1, 2])])  # type: ignore[arg-type]
    assert whole.own.tolist() == [0, 10, 10, 0] and whole.random.tolist() == [3, 13, 13, 3]


def test_an_easy_class_claims_no_images_of_a_hard_one() -> None:
    """By hand: class 0 is sure of its own (0.9), so 0.6 does not make an image of class 1 one of it."""
    said = Evidence(
        np.array([0.9, 0.9, 0.4, 0.4, 0.05], np.float32),
        np.array([0.1, 0.1, 0.6, 0.6, 0.95], np.float32),
        np.array([1, 1, 0, 0, 0]),
        np.full(5, 0.1, np.float32),
    )
    assert suspects(said, np.array([0, 0, 1, 1, 1]), 2).tolist() == [False, False, False, False, True]


def test_the_limit_grows_only_where_the_evidence_allows_it() -> None:
    random = np.random.default_rng(0)
    count, wrong = 20_000, 400
    of_wrong = 10 ** random.uniform(-5, -1, count)  # what a wrong label gets
    clear = np.concatenate([of_wrong[:wrong], random.uniform(0.5, 1, count - wrong)])
    hard = np.concatenate([of_wrong[:wrong], 10 ** random.uniform(-2.5, 0, count - wrong)])
    few = np.concatenate([of_wrong[:5], random.uniform(0.5, 1, count - 5)])

    def of(own: np.ndarray) -> float:
        other, chance = np.full(len(own), 0.4, np.float32), of_wrong[: len(own)]
        return limit(Evidence(own.astype(np.float32), other, other.astype(int), chance.astype(np.float32)))

    assert EASY <= of(clear) <= 0.1 and of(few) == EASY
    assert SURE < of(hard) < 5 * SURE
    assert 0.9 < np.mean(np.flatnonzero(hard < of(hard)) < wrong)


def test_folds_keep_copies_together_and_classes_even() -> None:
    codes = np.repeat([0, 1], [80, 40])
    groups = np.arange(120)
    groups[10:14] = 10
    of = folds(codes, groups, 4, seed=0)
    assert len(set(of[10:14])) == 1
    for code in (0, 1):
        counts = np.bincount(of[codes == code], minlength=4)
        assert counts.max() - counts.min() <= 4
    assert (folds(codes, groups, 4, seed=0) == of).all() and (folds(codes, groups, 4, seed=1) != of).any()


def test_neighbours_of_the_same_group_do_not_count() -> None:
    features = np.eye(8, dtype=np.float32)[[0, 0, 0, 0, 1, 1, 1, 1]]
    codes, groups = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 1, 2, 3, 4, 4, 4, 4])
    members = references(codes, 2)
    found = class_distances(features, groups, [features[m] for m in members], [groups[m] for m in members])
    assert found[0] == pytest.approx([0, 2**0.5]) and np.isinf(found[4, 1])
    assert [len(m) for m in references(np.zeros(30_000, np.int64), 2)] == [10_000, 0]


def test_features_find_what_was_planted() -> None:
    features, given, right = blobs(600, 5, 30)
    said = judge_by_features(features, given, np.arange(600), 5)
    assert set(np.argsort(said.own)[:30]) == set(range(30))
    assert (said.likely[:30] == right[:30]).all() and agreement(said) == pytest.approx(0.95, abs=0.01)
    again = judge_by_features(features, given, np.arange(600), 5)
    assert (again.own == said.own).all()


def test_features_of_very_many_classes_are_compared_with_neighbours_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("caffekit.checks.feature_judge.MOST_CLASSES", 4)
    features, given, _ = blobs(300, 5, 10)
    said = judge_by_features(features, given, np.arange(300), 5)
    assert set(np.argsort(said.own)[:10]) == set(range(10))


def test_a_copy_with_the_same_wrong_label_does_not_confirm_it() -> None:
    features, given, _ = blobs(300, 5, 10)
    features, given = np.repeat(features, 3, axis=0), np.repeat(given, 3)
    said = judge_by_features(features, given, np.repeat(np.arange(300), 3), 5)
    assert set(np.argsort(said.own)[:30]) == set(range(30))


def pictures(count: int) -> np.ndarray:
    return np.zeros(count, PICTURE)


def test_planes_hold_grey_and_colour() -> None:
    some = pictures(2)
    some["thumb"][0], some["chroma"][1] = 255, (10, -20)
    got = planes(some)
    assert got.shape == (2, 3, 32, 32) and (got[0, 0] == 127).all() and (got[1, 0] == -128).all()
    assert got[1, 1] == pytest.approx(np.full((32, 32), 10)) and (got[1, 2] < -19).all()


@pytest.mark.parametrize("sided", [True, False])
def test_only_classes_without_a_side_are_mirrored(sided: bool) -> None:
    random = np.random.default_rng(0)
    some = pictures(60)
    some["thumb"] = random.integers(0, 100, (60, 32, 32))
    left = np.arange(60) % 2 == 0
    some["thumb"][left, 8:24, 2:8] = 250
    some["thumb"][~left, 8:24, -8:-2] = 250
    codes = left.astype(int) if sided else np.arange(60) // 30
    assert mirror_safe(some, codes) is not sided


def subject(count: int, given: np.ndarray, **how: object) -> Subject:
    """Pictures of noise, which tell nothing."""
    noise = np.random.default_rng(0).integers(0, 255, (count, 32, 32), np.uint8)
    rows = [Row(thumb=each, chroma=np.zeros((4, 4, 2), np.int8), width=32, height=32) for each in noise]
    return Subject(Table.of(rows), [f"{i}.png" for i in range(count)], given, **how)  # type: ignore[arg-type]


def test_a_judge_is_asked_where_edges_do_not_tell() -> None:
    features, given, right = blobs(400, 4, 20)
    asked = []

    def judge(use: np.ndarray, codes: np.ndarray, groups: np.ndarray, classes: int) -> Evidence:
        asked.append(use)
        return judge_by_features(features[use], codes, groups, classes)

    checked = subject(400, given + 7, judge=judge)
    checked.out.add(3)
    found = suspect_label(checked)
    assert asked[0].tolist() == [0, 1, 2, *range(4, 400)]
    assert found and set(found) <= set(range(20)) and all(found[i].score < 0.1 for i in found)
    assert all(found[i].detail == f"looks like {right[i] + 7}" for i in found)
    assert checked.judged is not None and len(checked.judged.indices) == 399
    assert checked.notes["label_evidence"] == "net" and checked.notes["label_agreement"] > 0.9
    for count, by in ((400, "edges"), (99, "auto")):
        few = subject(count, given[:count], judge=judge, judge_by=by)
        assert suspect_label(few) == {} and few.notes["label_evidence"] == "edges"


def test_a_limit_that_is_given_holds() -> None:
    features, given, _ = blobs(200, 4, 8)

    def judge(use: np.ndarray, codes: np.ndarray, groups: np.ndarray, classes: int) -> Evidence:
        return judge_by_features(features[use], codes, groups, classes)

    checked = subject(200, given, judge=judge, judge_by="features", limits={"suspect-label": 0.0})
    assert suspect_label(checked) == {} and checked.notes["label_limit"] == 0
    checked.limits = {"suspect-label": 0.2}
    assert set(suspect_label(checked)) == set(range(8))


def test_classes_of_copies_only_are_not_judged() -> None:
    checked = subject(20, np.arange(20) // 10)
    checked.rows = Table.of([checked.rows[i // 10 * 10] for i in range(20)])
    assert checked.links.same and suspect_label(checked) == {} and checked.judged is None
