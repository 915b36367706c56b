"""Mean and deviation against numpy over all pixels at once."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.steps import moments as moments_module
from caffekit.steps.moments import Moments, ThreadMoments
from caffekit.steps.parallel import thread_map


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("sizes", [[(4, 5)] * 3, [(4, 5), (6, 2), (4, 5)]], ids=["one size", "sizes"])
def test_against_numpy(channels: int, sizes: list[tuple[int, int]]) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, channels), np.uint8) for size in sizes]
    moments = Moments()
    for image in images:
        moments.add(image)
    pixels = np.concatenate([image.reshape(-1, channels) for image in images]).astype(np.float64)
    assert np.allclose(moments.mean(), pixels.mean(0), rtol=1e-12)
    assert np.allclose(moments.std(), pixels.std(0), rtol=1e-9)
    mean = moments.mean_image()
    assert moments.one_size == (mean is not None) == (len(set(sizes)) == 1)
    assert mean is None or np.array_equal(mean, np.mean(images, 0).transpose(2, 0, 1))


def test_no_images_and_constant_ones() -> None:
    moments = Moments()
    assert moments.mean_image() is None and moments.mean() == [0.0]
    moments.add(np.full((2, 2, 1), 200, np.uint8))
    assert moments.std() == [0.0]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_parts_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    """Also where the sums in float32 are put aside in between, as they are after many images."""
    monkeypatch.setattr(moments_module, "EXACT", 2)
    images = np.random.default_rng(1).integers(0, 256, (11, 4, 5, 3)).astype(kind)
    whole, merged = Moments(), Moments()
    for image in images:
        whole.add(image)
    for start in (0, 5, 6):
        part = Moments()
        for image in images[start : start + (5, 1)[start == 5]]:
            part.add(image)
        merged.merge(part)
    merged.merge(Moments())
    assert merged.count == whole.count == 11 and merged.one_size and merged.shape == (4, 5, 3)
    assert np.array_equal(merged.mean_image(), whole.mean_image())
    assert np.array_equal(whole.mean_image(), images.astype(np.float64).mean(0).transpose(2, 0, 1))
    assert merged.mean() == whole.mean() and merged.std() == pytest.approx(whole.std(), rel=1e-12)
    assert kind is np.float32 or merged.std() == whole.std()


def test_the_layout_in_memory_does_not_matter() -> None:
    image = np.random.default_rng(2).integers(0, 256, (3, 4, 5), np.uint8).transpose(1, 2, 0)
    moments = Moments()
    moments.add(image)
    assert np.array_equal(moments.mean_image(), image.transpose(2, 0, 1))


def test_many_images_of_both_layouts() -> None:
    """More than stay exact in float32, as bright as can be."""
    images = np.random.default_rng(3).integers(250, 256, (2 * moments_module.EXACT + 3, 3, 2, 3), np.uint8)
    moments = Moments()
    for i, image in enumerate(images):
        moments.add(image if i % 50 else np.asfortranarray(image))
    pixels = images.reshape(-1, 3).astype(np.float64)
    assert moments.mean() == pixels.mean(0).tolist()
    assert moments.std() == pytest.approx(pixels.std(0), rel=1e-9)
    exact = (images.astype(np.int64) ** 2).sum((0, 1, 2)) / len(pixels) - pixels.mean(0) ** 2
    assert moments.std() == np.sqrt(exact).tolist()


def test_the_sums_in_float32_are_exact_until_they_are_put_aside() -> None:
    assert np.float32(moments_module.EXACT * 255**2) == moments_module.EXACT * 255**2 < 2**24


def test_parts_of_another_size() -> None:
    moments, part = Moments(), Moments()
    moments.add(np.zeros((2, 2, 1), np.uint8))
    part.add(np.full((1, 2, 1), 6, np.uint8))
    moments.merge(part)
    assert not moments.one_size and moments.mean_image() is None and moments.mean() == [2.0]


def test_threads_add_up_to_the_same() -> None:
    images = np.random.default_rng(4).integers(0, 256, (60, 4, 5, 3), np.uint8)
    together, alone = ThreadMoments(), Moments()
    for _ in thread_map(together.add, images, 3):
        pass
    for image in images:
        alone.add(image)
    total = together.total()
    assert total.count == 60 and np.array_equal(total.mean_image(), alone.mean_image())
    assert total.mean() == alone.mean() and total.std() == alone.std()
    assert ThreadMoments().total().mean_image() is None
