"""Every transform: what it does to a known image, and that the whole is repeatable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.transforms import (
    BORDERS,
    GEOMETRY,
    TRANSFORMS,
    augment_image,
    crop,
    flip,
    random_for,
    rotate,
    scale,
    shear,
)

SETTINGS: dict[str, Any] = {
    "crop": (0.5, 0.9), "scale": (0.8, 1.2), "rotate": 30.0, "shear": 20.0, "flip": True,
    "color": 0.4, "blur": 2.0, "noise": 20.0, "erase": 1.0, "jpeg": (10, 60),
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


@pytest.mark.parametrize("name", ["crop", "scale", "rotate", "shear", "flip", "blur", "erase"])
@pytest.mark.parametrize("border", BORDERS)
def test_a_flat_image_stays_flat(name: str, border: str) -> None:
    """Nothing black comes in from outside."""
    changes = {name: SETTINGS[name], "border": border}
    np.testing.assert_array_equal(augment_image(FLAT, random_for(0, "a", 1), changes), FLAT)


@pytest.mark.parametrize(("border", "seen"), [("edge", 200), ("reflect", 40), ("mean", 120)])
def test_what_a_border_shows(border: str, seen: int) -> None:
    """A bright frame around a dark middle, shrunk to half: what lies outside the frame."""
    image = np.full((40, 40, 1), 200, np.uint8)
    image[2:38, 2:38] = 101 if border == "mean" else 40
    out = augment_image(image, random_for(0, "a", 1), {"scale": (0.5, 0.5), "border": border})
    assert abs(int(out[20, 4, 0]) - seen) < 3
    assert out[20, 20, 0] < 110


def test_all_geometry_is_one_warp() -> None:
    """Together the transforms interpolate once: undone by the inverse, a smooth picture is as before."""
    y, x = np.mgrid[0:60, 0:60]
    smooth = (128 + 100 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint8)[..., None]
    changes = {name: SETTINGS[name] for name in ("crop", "scale", "rotate", "shear")}
    matrix = np.eye(3)
    random = random_for(0, "a", 3)
    for name, change in GEOMETRY.items():
        if name in changes:
            matrix = change(changes[name], 60, 60, random) @ matrix
    out = augment_image(smooth, random_for(0, "a", 3), changes)
    points = np.array([[25.0, 30, 1], [30, 30, 1], [32, 36, 1]]).T
    there = np.rint(matrix @ points).astype(int)[:2]
    assert ((there >= 0) & (there < 60)).all()
    before = smooth[points[1].astype(int), points[0].astype(int), 0].astype(int)
    assert (abs(out[there[1], there[0], 0].astype(int) - before) < 12).all()


def test_noise_has_the_deviation_asked_for_and_differs_from_image_to_image() -> None:
    grey = np.full((400, 400, 1), 128, np.uint8)
    stds = [augment_image(grey, random_for(0, "a", i), {"noise": 20.0}).std() for i in range(30)]
    assert 0 < min(stds) < 5 and 15 < max(stds) <= 20.5
    first = [augment_image(grey, random_for(0, "a", i), {"noise": 20.0})[:9, :9].tobytes() for i in range(30)]
    assert len(set(first)) == 30


def test_a_large_image_gets_noise_all_over() -> None:
    grey = np.full((1200, 1000, 1), 128, np.uint8)
    out = augment_image(grey, random_for(0, "a", 1), {"noise": 20.0})
    assert out[:100].std() > 1 and out[-100:].std() > 1


def test_a_shear_leaves_the_middle_row_and_leans_as_far_as_it_says() -> None:
    leans = [shear.matrix(20, 31, 21, np.random.default_rng(i)) for i in range(200)]
    for matrix in leans[:3]:
        np.testing.assert_allclose(matrix @ [7, 10, 1], [7, 10, 1])
    degrees = np.degrees(np.arctan([matrix[0, 1] for matrix in leans]))
    assert -20 <= degrees.min() < -15 and 15 < degrees.max() <= 20


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


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [(1, 1), (3, 70), (40, 30)])
def test_three_channels_are_warped_as_each_alone(border: str, size: tuple[int, int]) -> None:
    """Within a grey level: far beyond the image, too, where only OpenCV's own border handling reaches."""
    image = np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8)
    changes = {"scale": (0.3, 1.2), "rotate": 180.0, "shear": 20.0, "flip": True, "border": border}
    for i in range(20):
        out = augment_image(image, random_for(0, "a", i), changes)
        for channel in range(3):
            alone = augment_image(image[..., channel : channel + 1], random_for(0, "a", i), changes)
            assert (abs(out[..., channel].astype(int) - alone[..., 0]) <= 1).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mirror_image_alone_has_every_pixel_as_it_was(channels: int) -> None:
    image = picture(channels)
    seen = {augment_image(image, random_for(0, "a", i), {"flip": True}).tobytes() for i in range(20)}
    assert seen == {image.tobytes(), image[:, ::-1].tobytes()}


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


@pytest.mark.parametrize("border", BORDERS)
def test_colour_is_warped_as_its_channels_are_one_by_one(border: str) -> None:
    """Through four channels, and scratch images that the next warp of this thread writes over."""
    image, changes = picture(), {"rotate": 30.0, "scale": (0.5, 1.5), "border": border}
    together = [augment_image(image, random_for(0, "a", i), changes) for i in range(5)]
    for i, out in enumerate(together):
        for channel in range(3):
            alone = np.ascontiguousarray(image[..., channel : channel + 1])
            expected = augment_image(alone, random_for(0, "a", i), changes)
            np.testing.assert_array_equal(out[..., channel : channel + 1], expected)
