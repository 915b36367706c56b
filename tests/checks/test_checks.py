"""Every check on pictures made for it: what it finds, what it leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.checks import ALWAYS, CHECKS, decide
from caffekit.checks.alike import unlike_files
from caffekit.checks.measure import Row, measure, pixels_digest
from caffekit.checks.subject import Subject
from caffekit.checks.table import Table


def photo(seed: int, side: int = 128) -> np.ndarray:
    """A colourful picture with structure at all scales, different for every seed."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.normal(0, 60, (n, n, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
        )
        for n in (4, 8, 16, 32, 64, 128)
    ]
    return np.clip(sum(layers) / 2 + 128, 0, 255).astype(np.uint8)


def subject(
    folder: Path,
    images: dict[str, object],
    labels: list[int] | None = None,
    bench: dict[str, object] | None = None,
    **how: object,
) -> Subject:
    def rows(files: dict[str, object], benchmark: bool) -> list[Row]:
        return [row_of(folder / name, content, benchmark) for name, content in files.items()]

    given = np.array(labels if labels is not None else [0] * len(images), np.int64)
    table = Table.of(rows(images, False), rows(bench or {}, True))
    return Subject(table, list(images), given, list(bench or {}), **how)  # type: ignore[arg-type]


def row_of(path: Path, content: object, benchmark: bool) -> Row:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        cv2.imwrite(str(path), content)
    return measure(str(path), benchmark)


def reasons(checked: Subject, names: tuple[str, ...] = tuple(CHECKS)) -> dict[str, str]:
    return {checked.paths[i]: reason for i, (reason, _) in decide(checked, names).items()}


USUAL = {f"{i}.png": photo(i) for i in range(12)}


def test_good_pictures_stay(tmp_path: Path) -> None:
    assert reasons(subject(tmp_path, USUAL)) == {}


@pytest.mark.parametrize(
    ("reason", "content"),
    [
        ("undecodable", b""),
        ("truncated", cv2.imencode(".jpg", photo(50))[1].tobytes()[:3000]),
        ("wrong-format", b"<html>not found</html>"),
        ("too-small", photo(50, 20)),
        ("odd-aspect", cv2.resize(photo(50), (600, 40))),
        ("too-dark", (photo(50) // 32)),
        ("too-bright", 255 - photo(50) // 32),
        ("blurry", cv2.GaussianBlur(photo(50), (0, 0), 2.5)),
        ("low-information", np.full((128, 128, 3), 120, np.uint8)),
        ("exact-duplicate", USUAL["3.png"]),
        ("near-duplicate", cv2.imdecode(cv2.imencode(".jpg", USUAL["3.png"])[1], 1)),
    ],
)
def test_what_is_planted_is_found(tmp_path: Path, reason: str, content: object) -> None:
    found = reasons(subject(tmp_path, {**USUAL, "planted.png": content}))
    if reason.endswith("duplicate"):  # which of the two stays is the rank's choice
        assert list(found.values()) == [reason] and set(found) <= {"3.png", "planted.png"}
    else:
        assert found == {"planted.png": reason}


def test_a_set_of_night_photos_is_not_all_too_dark(tmp_path: Path) -> None:
    night = {name: image // 12 for name, image in USUAL.items()}
    assert "too-dark" not in reasons(subject(tmp_path, night)).values()


def test_one_picture_under_two_labels_is_rejected_everywhere(tmp_path: Path) -> None:
    images = {"a.png": photo(1), "b.png": photo(1), "c.png": photo(2)}
    assert reasons(subject(tmp_path, images, [0, 1, 1])) == {
        "a.png": "conflicting-label",
        "b.png": "conflicting-label",
    }


def test_the_kept_copy_passes_the_other_checks(tmp_path: Path) -> None:
    """The larger of two near copies is rejected for another reason: the smaller one stays."""
    jpeg = cv2.imdecode(cv2.imencode(".jpg", photo(3), [1, 95])[1], 1)
    images = {**USUAL, "copy.png": cv2.resize(jpeg, (256, 256), interpolation=cv2.INTER_CUBIC)}
    checked = subject(tmp_path, images)
    assert reasons(checked) in ({"3.png": "near-duplicate"}, {"copy.png": "blurry"})


def test_benchmark_images_are_found_exactly_and_nearly(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", photo(4), [1, 80])[1].tobytes()
    checked = subject(tmp_path, USUAL, bench={"x.png": photo(2), "y.jpg": jpeg})
    assert reasons(checked) == {"2.png": "benchmark-duplicate", "4.png": "benchmark-duplicate"}


def test_a_rare_class_is_not_called_mislabelled(tmp_path: Path) -> None:
    """Sixty circles, six crosses, and a cross among the circles: only that one is wrong."""
    images: dict[str, object] = {}
    labels = []
    for i in range(67):
        image = np.zeros((64, 64, 3), np.uint8)
        x, y, r = 32 + i % 5 - 2, 32 + i % 7 - 3, 14 + i % 4
        if i < 60:
            cv2.circle(image, (x, y), r, (255, 255, 255), 3)
        else:
            cv2.line(image, (x - r, y - r), (x + r, y + r), (255, 255, 255), 3)
            cv2.line(image, (x - r, y + r), (x + r, y - r), (255, 255, 255), 3)
        images[f"{i:02d}.png"] = image
        labels.append(0 if i < 60 or i == 66 else 1)
    assert reasons(subject(tmp_path, images, labels), ("suspect-label",)) == {"66.png": "suspect-label"}


def test_labels_that_pictures_cannot_tell_are_left_alone(tmp_path: Path) -> None:
    checked = subject(tmp_path, {f"{i}.png": photo(i) for i in range(40)}, [i % 2 for i in range(40)])
    assert reasons(checked, ("suspect-label",)) == {}
    assert checked.notes["label_agreement"] < 0.9


def test_an_unreadable_file_is_a_row() -> None:
    row = measure("/nowhere/x.png")
    assert isinstance(row, Row) and row.reason == "undecodable" and "No such file" in row.detail


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_documented_and_stands_an_empty_set(name: str) -> None:
    assert CHECKS[name].__doc__
    assert CHECKS[name](Subject(Table.of([]), [], np.array([], np.int64))) == {}
    assert set(ALWAYS) <= set(CHECKS)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert measure(str(tmp_path / "pipe.png")).detail == "not a regular file"


def test_of_equals_the_one_with_the_shorter_name_stays(tmp_path: Path) -> None:
    checked = subject(tmp_path, {**USUAL, "0-copy.png": USUAL["0.png"], "3 (1).png": USUAL["3.png"]})
    assert reasons(checked) == {"0-copy.png": "exact-duplicate", "3 (1).png": "exact-duplicate"}


def test_a_crowd_of_copies_is_linked_to_its_best_only(tmp_path: Path) -> None:
    """Frames of a still camera: all pairs of many would take forever, and one image stays all the same."""
    random = np.random.default_rng(0)
    frames = {
        f"frame{i}.png": np.clip(photo(1) + random.normal(0, 2, (128, 128, 3)), 0, 255).astype(np.uint8)
        for i in range(300)
    }
    checked = subject(tmp_path, {**frames, **USUAL})
    assert sum(reason == "near-duplicate" for reason in reasons(checked).values()) == 300
    assert sum(map(len, checked.links.near.values())) < 300 * 200  # of 300 × 300


@pytest.mark.parametrize(
    ("name", "tight", "loose"),
    [
        ("too-dark", 256, 0),
        ("too-bright", -1, 255),
        ("blurry", 100, 0),
        ("low-information", 500, -1),
        ("odd-aspect", 0.5, 1),
    ],
)
def test_a_limit_that_is_given_holds(tmp_path: Path, name: str, tight: float, loose: float) -> None:
    for limit, count in ((tight, len(USUAL)), (loose, 0)):
        assert len(reasons(subject(tmp_path, USUAL, limits={name: limit}), (name,))) == count


def test_pixels_decide_what_is_exactly_the_same(tmp_path: Path) -> None:
    """Two files that look the same at a glance: one pixel differs, or only the file does."""
    other = USUAL["0.png"].copy()
    other[40, 40, 0] ^= 1
    cv2.imwrite(str(tmp_path / "packed.png"), USUAL["1.png"], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    images = {**USUAL, "pixel.png": other, "packed.png": (tmp_path / "packed.png").read_bytes()}
    checked = subject(tmp_path, images)
    unlike = unlike_files(checked.rows)
    assert {checked.paths[i] for i in unlike} >= {"1.png", "packed.png"}
    contents = checked.rows.columns["content"]
    checked.pixels = {contents[i].tobytes(): pixels_digest(str(tmp_path / checked.paths[i])) for i in unlike}
    found = {path: finding for i, finding in decide(checked, CHECKS).items() for path in [checked.paths[i]]}
    assert sorted(reason for reason, _ in found.values()) == ["exact-duplicate", "near-duplicate"]
    assert set(found) <= {"0.png", "1.png", "pixel.png", "packed.png"}
    assert any(finding.detail.startswith("the same pixels") for _, finding in found.values())
