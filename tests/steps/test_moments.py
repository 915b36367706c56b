"""Mean and deviation against numpy over all pixels at once."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.steps.moments import Moments


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
