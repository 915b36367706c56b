"""Detector: windows and their context, worked out by hand (real Caffe's own fails under today's numpy)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import caffekit.pycaffe as caffe

from .api_case import weights

MEAN = np.array([10.0, 20.0, 30.0])


@pytest.fixture
def detector(tmp_path: Path) -> Any:
    return caffe.Detector(*weights(caffe, str(tmp_path)), mean=MEAN, raw_scale=255, channel_swap=(2, 1, 0))


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = []
    for i, size in enumerate([(30, 40, 3), (20, 20, 3)]):
        pixels = np.random.RandomState(i).randint(0, 256, size).astype(np.uint8)
        paths.append(str(tmp_path / f"{i}.png"))
        cv2.imwrite(paths[-1], pixels)
    return paths


def test_a_window_is_that_part_of_the_picture(detector: Any) -> None:
    image = np.arange(6 * 7 * 3.0).reshape(6, 7, 3)
    np.testing.assert_array_equal(detector.crop(image, (1, 2, 5, 7)), image[1:5, 2:7])


def test_windows_are_classified_in_order(detector: Any, pictures: list[str]) -> None:
    windows = {pictures[0]: [(0, 0, 8, 8), (3, 4, 25, 36)], pictures[1]: [(2, 2, 18, 12)]}
    found = detector.detect_windows(windows.items())
    assert [(each["filename"], each["window"]) for each in found] == [
        (path, window) for path, mine in windows.items() for window in mine
    ]
    image = caffe.io.load_image(pictures[0])[:8, :8]
    blob = (255 * image[:, :, ::-1].transpose(2, 0, 1) - MEAN[:, None, None])[None]
    out = detector.forward(data=np.repeat(blob, 4, 0))
    np.testing.assert_allclose(found[0]["prediction"], out["prob"][0], rtol=1e-5)
    assert detector.detect_windows([]) == []


def test_context_surrounds_the_window(detector: Any) -> None:
    """A window whose context fills the input: 8 pixels, 2 of them context at each side, so twice its size."""
    detector.configure_crop(2)
    image = np.random.RandomState(0).uniform(0, 1, (30, 30, 3)).astype(np.float32)
    crop = detector.crop(image, (10, 10, 13, 13))  # 4 x 4 pixels, and 4 more of context at each end: 8 … 16
    assert crop.shape == (8, 8, 3)
    np.testing.assert_allclose(crop, caffe.io.resize_image(image[8:16, 8:16], (8, 8))[:8, :8], rtol=1e-6)


def test_beyond_the_picture_is_the_mean(detector: Any) -> None:
    detector.configure_crop(2)
    image = np.ones((30, 30, 3), np.float32)
    crop = detector.crop(image, np.array([0, 10, 3, 13]))
    # The channels in the order of the picture, in its range.
    np.testing.assert_allclose(crop[0, 4], MEAN[::-1] / 255, rtol=1e-6)
    np.testing.assert_allclose(crop[4, 4], 1, rtol=1e-6)
    detector.transformer.mean.clear()
    detector.configure_crop(2)
    assert (detector.crop(image, (0, 10, 3, 13))[0] == 0).all()


def test_a_window_outside_the_picture_is_named(detector: Any) -> None:
    detector.configure_crop(1)
    with pytest.raises(ValueError, match=r"window \(50, 50, 60, 60\) is outside the image of 30 x 30 pixels"):
        detector.crop(np.ones((30, 30, 3)), (50, 50, 60, 60))


def test_selective_search_says_what_it_needs(detector: Any) -> None:
    with pytest.raises(ImportError, match="needs the module selective_search_ijcv_with_python and MATLAB"):
        detector.detect_selective_search(["a.png"])


def test_selective_search_brings_windows(
    detector: Any, pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "selective_search_ijcv_with_python.py").write_text(
        "def get_windows(paths, cmd):\n    return [[(0, 0, 9, 9)] for path in paths if path[0] == '/']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = detector.detect_selective_search(["0.png", "1.png"])
    assert [each["filename"] for each in found] == pictures
