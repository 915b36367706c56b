"""Classifier: its numbers are in test_io.py's record; here what it makes of its arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe

from .api_case import weights


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    return weights(caffe, str(tmp_path))


def test_whole_pictures_by_default(files: tuple[str, str]) -> None:
    """Every crop of a picture that is resized to the input's size is the whole, or the whole mirrored."""
    classifier = caffe.Classifier(*files)
    image = np.random.RandomState(0).uniform(0, 1, (8, 8, 3)).astype(np.float32)
    (whole,) = classifier.predict([image], oversample=False)
    (mirrored,) = classifier.predict([image[:, ::-1]], oversample=False)
    np.testing.assert_allclose(classifier.predict([image])[0], (whole + mirrored) / 2, rtol=1e-5)
    net = caffe.Net(files[0], caffe.TEST, weights=files[1])
    out = net.forward(data=np.stack([image.transpose(2, 0, 1)] * 4))
    np.testing.assert_allclose(out["prob"][0], whole, rtol=1e-5)


def test_its_transformer_is_the_users_to_change(files: tuple[str, str]) -> None:
    classifier = caffe.Classifier(*files, raw_scale=255)
    assert classifier.transformer.raw_scale == {"data": 255}
    assert classifier.transformer.transpose == {"data": (2, 0, 1)}
    assert tuple(classifier.image_dims) == (8, 8)


def test_wrong_options_are_the_transformers_errors(files: tuple[str, str]) -> None:
    with pytest.raises(Exception, match="Channel swap"):
        caffe.Classifier(*files, channel_swap=(1, 0))
    with pytest.raises(ValueError, match="Mean channels"):
        caffe.Classifier(*files, mean=np.ones(4))
    with pytest.raises(RuntimeError, match="Could not open file nothing.caffemodel"):
        caffe.Classifier(files[0], "nothing.caffemodel")
