"""Every transform: what it does to a known image, and that the whole is repeatable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.transforms import TRANSFORMS, augment_image, crop, flip, random_for, rotate, scale

SETTINGS: dict[str, Any] = {
    "crop": (0.5, 0.9), "scale": (0.8, 1.2), "rotate": 30.0, "flip": True,
    "color": 0.4, "blur": 2.0, "noise": 20.0, "erase": 1.0,
}  # fmt: skip
FLAT = np.full((20, 30, 3), 90, np.uint8)


def picture(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, channels)).astype(np.uint8)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_changes_the_image_and_keeps_its_form(name: str, channels: int) -> None:
    image = picture(channels)
    before = image.copy()
    out = [augment_image(image, random_for(0, "a", i), {name: SETTINGS[name]}) for i in range(4)]
    assert all(each.shape == image.shape and each.dtype == np.uint8 for each in out)
    assert any((each != image).any() for each in out)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", ["crop", "scale", "rotate", "flip", "blur", "erase"])
def test_a_flat_image_stays_flat(name: str) -> None:
    """The border repeats the edge: nothing black comes in from outside."""
    np.testing.assert_array_equal(augment_image(FLAT, random_for(0, "a", 1), {name: SETTINGS[name]}), FLAT)


def test_the_stream_depends_on_seed_path_and_copy_alone() -> None:
    one = augment_image(picture(), random_for(3, "x.png", 2), SETTINGS)
    np.testing.assert_array_equal(one, augment_image(picture(), random_for(3, "x.png", 2), SETTINGS))
    for other in (random_for(4, "x.png", 2), random_for(3, "y.png", 2), random_for(3, "x.png", 1)):
        assert (one != augment_image(picture(), other, SETTINGS)).any()


def test_geometry_maps_the_points_it_should() -> None:
    random = np.random.default_rng(1)
    corner, centre = np.array([0.0, 0, 1]), np.array([14.5, 9.5, 1])
    for matrix in (rotate.matrix(30, 30, 20, random), scale.matrix((0.8, 1.2), 30, 20, random)):
        np.testing.assert_allclose(matrix @ centre, centre)
    mirrored = next(m for m in (flip.matrix(True, 30, 20, random) for _ in range(20)) if m[0, 0] < 0)
    np.testing.assert_allclose(mirrored @ corner, [29, 0, 1])
    inverse = np.linalg.inv(crop.matrix((0.5, 0.5), 30, 20, random))
    (left, top, _), (right, bottom, _) = inverse @ corner, inverse @ [30, 20, 1]
    assert 0 <= left and 0 <= top and right <= 30 and bottom <= 20
    np.testing.assert_allclose((right - left, bottom - top), (15, 10))


def test_a_rotation_turns_as_far_as_it_says() -> None:
    """A bar turned by a known angle lies where trigonometry puts it."""
    image = np.zeros((41, 41, 1), np.uint8)
    image[19:22, :] = 255
    matrix = rotate.matrix(45, 41, 41, np.random.default_rng(0))
    angle = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    out = augment_image(image, np.random.default_rng(0), {"rotate": 45})
    ys, xs = np.nonzero(out[..., 0] > 128)
    slope = np.degrees(np.arctan(np.polyfit(xs, ys, 1)[0]))
    assert abs(slope - angle) < 2


def test_colour_keeps_within_its_share() -> None:
    means = [augment_image(FLAT, random_for(0, "a", i), {"color": 0.2}).mean() for i in range(50)]
    assert 90 * 0.79 < min(means) < 85 and 95 < max(means) < 90 * 1.21


def test_erase_takes_two_to_twenty_per_cent() -> None:
    image = picture()
    for i in range(30):
        changed = (augment_image(image, random_for(0, "a", i), {"erase": 1.0}) != image).any(2).mean()
        assert 0.01 < changed < 0.25
    np.testing.assert_array_equal(augment_image(image, random_for(0, "a", 0), {"erase": 0.0}), image)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_has_its_file(name: str) -> None:
    folder = Path(__file__).parents[2] / "caffekit" / "transforms"
    assert (folder / f"{name}.py").is_file()
