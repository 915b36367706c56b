"""Scores come back batch by batch, and the same from both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffekit.engines import Engine
from caffekit.engines.scoring import open_scorer
from caffekit.errors import EngineDied
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.weights import to_blob, write_caffemodel

DEPLOY = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.fixture
def model(tmp_path: Path) -> tuple[Path, Path, np.ndarray]:
    net, weights = tmp_path / "deploy.prototxt", tmp_path / "w.caffemodel"
    net.write_text(DEPLOY)
    matrix = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    message = NetParameter()
    layer = message.layer.add(name="ip", type="InnerProduct")
    layer.blobs.extend([to_blob(matrix), to_blob(np.zeros(4, np.float32))])
    write_caffemodel(weights, message)
    return net, weights, matrix


def test_scores_of_batches_of_any_size(engine: Engine, model: tuple[Path, Path, np.ndarray]) -> None:
    net, weights, matrix = model
    batches = [
        np.random.default_rng(i).normal(size=(n, 1, 2, 3)).astype(np.float32) for i, n in enumerate((3, 3, 1))
    ]
    with open_scorer(engine, net, weights) as scorer:
        assert scorer.input_shape == (1, 1, 2, 3)
        scores = list(scorer.scores(batches))
    for batch, got in zip(batches, scores, strict=True):
        logits = np.exp(batch.reshape(len(batch), -1) @ matrix.T)
        assert got == pytest.approx(logits / logits.sum(axis=1, keepdims=True), rel=1e-5)


def test_weights_of_another_net(engine: Engine, model: tuple[Path, Path, np.ndarray]) -> None:
    net, weights, _ = model
    net.write_text(DEPLOY.replace("num_output: 4", "num_output: 5"))
    with pytest.raises(EngineDied, match="shape mismatch"), open_scorer(engine, net, weights):
        pass
