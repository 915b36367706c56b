"""Changed copies of benchmark images are found in the set; other pictures are not taken for them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.checks import decide
from caffekit.checks.changed import fitting_distance
from caffekit.checks.measure import measure
from caffekit.checks.subject import Subject
from caffekit.checks.table import Table
from caffekit.checks.variants import VARIANTS, Variant, aligned_thumb, variant_thumb, view

from .test_checks import photo


def turned(image: np.ndarray, degrees: float, zoom: float = 1) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    return cv2.warpAffine(image, matrix, (width, height))


# Photos have little of their energy in fine details.
ORIGINAL = cv2.GaussianBlur(cv2.resize(photo(1, 256), (240, 160)), (0, 0), 4)
CHANGES = {
    "mirrored": ORIGINAL[:, ::-1],
    "cropped": ORIGINAL[12:-12, 18:-18],
    "cropped in a corner": ORIGINAL[0:144, 0:216],
    "framed": cv2.copyMakeBorder(ORIGINAL, 10, 10, 14, 14, cv2.BORDER_CONSTANT),
    "framed in white": cv2.copyMakeBorder(ORIGINAL, 6, 6, 9, 9, cv2.BORDER_CONSTANT, value=(255,) * 3),
    "cropped to 0.6 of the area": ORIGINAL[36:160, 0:186],
    "cropped in the middle": ORIGINAL[16:-16, 24:-24],
    "turned by 10 degrees": turned(ORIGINAL, -10),
    "turned": turned(ORIGINAL, 5),
    "turned and cropped": turned(ORIGINAL, -5, 1.12),
}


def check(folder: Path, images: dict[str, np.ndarray], bench: np.ndarray) -> dict[str, str]:
    """{path: detail} of what is found in the benchmark."""
    rows = []
    for name, image in [*images.items(), ("bench.png", bench)]:
        cv2.imwrite(str(folder / name), image)
        rows.append(measure(str(folder / name), name == "bench.png"))
    labels = np.zeros(len(images), np.int64)
    subject = Subject(Table.of(rows[:-1], rows[-1:]), list(images), labels, ["bench.png"])
    found = decide(subject, ["benchmark-duplicate"])
    return {subject.paths[i]: finding.detail for i, (_, finding) in found.items()}


OTHERS = {f"{i}.png": photo(i) for i in range(20, 32)}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(tmp_path: Path, change: str) -> None:
    found = check(tmp_path, {**OTHERS, "copy.png": CHANGES[change]}, ORIGINAL)
    assert list(found) == ["copy.png"]
    assert "of the benchmark" in found["copy.png"]


def test_the_change_is_named(tmp_path: Path) -> None:
    found = check(tmp_path, {**OTHERS, "copy.png": CHANGES["mirrored"]}, ORIGINAL)
    assert found == {"copy.png": "nearly the same as bench.png of the benchmark, mirrored"}


def test_the_same_in_other_colours_is_another_picture(tmp_path: Path) -> None:
    blue = np.clip(ORIGINAL.astype(int) * 0.3 + [150, 40, 20], 0, 255).astype(np.uint8)
    assert check(tmp_path, {**OTHERS, "copy.png": blue[:, ::-1]}, ORIGINAL) == {}


def test_within_the_set_changed_copies_stay(tmp_path: Path) -> None:
    """They are what augmentation makes: only a benchmark must not meet them."""
    images = {**OTHERS, "a.png": ORIGINAL, "b.png": ORIGINAL[:, ::-1]}
    assert check(tmp_path, images, photo(99)) == {}


@pytest.mark.parametrize("variant", [Variant("same"), Variant("mirrored", mirror=True)])
def test_a_turn_keeps_the_aspect(variant: Variant) -> None:
    seen = view(cv2.cvtColor(ORIGINAL, cv2.COLOR_BGR2GRAY))
    same = variant_thumb(seen, 1.5, variant)
    expected = cv2.resize(seen[:, ::-1] if variant.mirror else seen, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(same.astype(int) - expected).max() <= 1


def test_a_copy_is_moved_to_where_it_fits() -> None:
    """A crop that lies between those that are tried."""
    seen = view(cv2.cvtColor(ORIGINAL, cv2.COLOR_BGR2GRAY))
    there = variant_thumb(seen, 1.5, Variant("cropped", 0.85, 0.02, -0.03)).astype(int)
    near = Variant("cropped", 0.82, 0.04, -0.01)
    before = np.abs(variant_thumb(seen, 1.5, near) - there).mean()
    after = np.abs(aligned_thumb(seen, 1.5, near, there.astype(np.uint8)) - there).mean()
    assert after < 0.3 * before
    flat = np.full((32, 32), 9, np.uint8)  # nothing to align with
    assert (aligned_thumb(seen, 1.5, near, flat) == variant_thumb(seen, 1.5, near)).all()


def test_where_all_hashes_are_near_few_bits_are_asked_for(tmp_path: Path) -> None:
    """The work is bounded: 300 images, and the copies of 20 benchmark images three bits away from all."""
    cv2.imwrite(str(tmp_path / "a.png"), ORIGINAL)
    row, bench = measure(str(tmp_path / "a.png")), measure(str(tmp_path / "a.png"), True)
    bench.variants = np.full(len(VARIANTS), row.phash ^ 0b111, np.uint64)
    table = Table.of([row] * 300, [bench] * 20)
    assert fitting_distance(table, np.arange(300, 320), np.arange(300), 8) == 2
    assert fitting_distance(table, np.arange(300, 302), np.arange(300), 8) == 8
