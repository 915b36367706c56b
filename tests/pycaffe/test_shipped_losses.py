"""The shipped losses against their papers' formulae, written again in numpy, and differences of these."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.graph import infer_shapes
from caffekit.graph.rules_python import OPTIONS
from caffekit.pycaffe.layers.shipped_losses import SHIPPED_LOSSES

from .test_fork_layers import differences, make, run

LABELS = np.array([1.0, 0, 1, 2, 0, 0, 1, 1])


def layer(kind: str, more: str = "", **options: Any) -> str:
    text = json.dumps(options)
    python = f'module: "caffekit_losses" layer: "{kind}" param_str: \'{text}\''
    return f'type: "Python" top: "y" {more} python_param {{ {python} }}'


def triplets(x: np.ndarray, margin: float, mining: str) -> tuple[float, float]:
    """(loss, share within the margin), looking at one triplet after the other as the papers do."""
    d = np.square(x[:, None] - x).sum(2)
    items = range(len(x))
    gaps = []
    for a in items:
        positives = [i for i in items if i != a and LABELS[i] == LABELS[a]]
        negatives = [i for i in items if LABELS[i] != LABELS[a]]
        if not positives:
            continue
        if mining == "batch-hard":
            gaps.append(max(d[a, p] for p in positives) - min(d[a, n] for n in negatives))
        elif mining == "batch-all":
            gaps += [d[a, p] - d[a, n] for p, n in product(positives, negatives)]
        else:
            for p in positives:
                further = [d[a, n] for n in negatives if d[a, n] > d[a, p]]
                gaps.append(d[a, p] - (min(further) if further else max(d[a, n] for n in negatives)))
    hinges = [max(0.0, gap + margin) for gap in gaps]
    active = sum(hinge > 0 for hinge in hinges)
    return sum(hinges) / (active if mining == "batch-all" else len(gaps)), active / len(gaps)


@pytest.mark.parametrize("mining", ["semi-hard", "batch-hard", "batch-all"])
@pytest.mark.parametrize("seed", range(3))
def test_triplet_loss(mining: str, seed: int) -> None:
    x = np.random.RandomState(seed).uniform(-1, 1, (8, 3))
    x[:, 0] += 2 * LABELS
    text = layer("TripletLoss", 'top: "share" loss_weight: 0', mining=mining, margin=0.9)
    net = make(text, x.shape, (8,), weight=0.5)
    (loss, share), _, (dx, _), _ = run(net, [x, LABELS], [])
    wanted = triplets(x, 0.9, mining)
    assert 0 < wanted[1] < 1
    np.testing.assert_allclose((loss[0], share[0]), wanted, rtol=1e-5)
    slope = differences(lambda: 0.5 * triplets(x, 0.9, mining)[0], x)
    np.testing.assert_allclose(dx, slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mining", ["semi-hard", "batch-hard", "batch-all"])
@pytest.mark.parametrize("labels", [np.zeros(8), np.arange(8)], ids=["one class", "no pairs"])
def test_a_batch_without_triplets_teaches_nothing(mining: str, labels: np.ndarray) -> None:
    x = np.random.RandomState(1).uniform(-1, 1, (8, 3))
    net = make(layer("TripletLoss", 'top: "share" loss_weight: 0', mining=mining), x.shape, (8,), weight=1)
    (loss, share), _, (dx, _), _ = run(net, [x, labels], [])
    assert loss[0] == share[0] == np.abs(dx).max() == 0


@pytest.mark.parametrize("alpha", [0.5, 0])
def test_center_loss(alpha: float) -> None:
    """Loss and features' gradient; the centers' step is the paper's, done or left to the solver."""
    random = np.random.RandomState(2)
    x, centers = random.uniform(-2, 2, (8, 2, 3)), random.uniform(-1, 1, (4, 6))
    net = make(layer("CenterLoss", classes=4, alpha=alpha), x.shape, (8,), weight=0.25)
    (loss,), _, (dx, _), (diff,) = run(net, [x, LABELS], [centers])

    def value() -> float:
        return float(np.square(x.reshape(8, 6) - centers[LABELS.astype(int)]).sum() / 16)

    np.testing.assert_allclose(loss, [value()], rtol=1e-5)
    np.testing.assert_allclose(dx, 0.25 * differences(value, x), rtol=1e-4, atol=1e-5)
    step = np.zeros_like(centers)
    for j in range(4):
        mine = x.reshape(8, 6)[j == LABELS]
        step[j] = (centers[j] - mine).sum(0) / (1 + len(mine))
    np.testing.assert_allclose(diff, 0 * step if alpha else step, rtol=1e-5, atol=1e-6)
    moved = net.params["it"][0].data
    np.testing.assert_allclose(moved, centers - alpha * step, rtol=1e-5, atol=1e-6)


Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]


def a_softmax(margin: int, soft: float) -> Formula:
    def formula(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        norm = np.linalg.norm(x, axis=1)
        y = x @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
        for i, label in enumerate(LABELS.astype(int)):
            theta = np.arccos(y[i, label] / norm[i])
            k = min(int(theta * margin / np.pi), margin - 1)
            psi = (-1) ** k * np.cos(margin * theta) - 2 * k
            y[i, label] = norm[i] * (soft * np.cos(theta) + psi) / (1 + soft)
        return y

    return formula


def am_softmax(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = x @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    y[np.arange(8), LABELS.astype(int)] -= 0.25
    return 16 * y


ANGULAR = [
    *[
        ("ASoftmax", {"margin": m, "base": 6, "gamma": 1, "lambda_min": 0}, a_softmax(m, 3))
        for m in (1, 2, 3, 4)
    ],
    ("AMSoftmax", {"margin": 0.25, "scale": 16}, am_softmax),
]


@pytest.mark.parametrize(("kind", "options", "formula"), ANGULAR)
@pytest.mark.parametrize("seed", range(3))
def test_angular_margins(kind: str, options: dict[str, Any], formula: Formula, seed: int) -> None:
    """Scores by angles; gradients of features and weights by differences; no margin in the TEST phase."""
    random = np.random.RandomState(seed)
    x, w = random.uniform(-2, 2, (8, 5)), random.uniform(-1, 1, (3, 5))
    net = make(layer(kind, classes=3, **options), x.shape, (8,))
    counter = [np.zeros(1)] if kind == "ASoftmax" else []
    (y,), (dy,), (dx, _), (dw, *rest) = run(net, [x, LABELS], [w, *counter])
    np.testing.assert_allclose(y, formula(x, w), rtol=1e-4, atol=1e-4)
    for got, of in ((dx, x), (dw, w)):
        slope = differences(lambda: float((formula(x, w) * dy).sum()), of)
        np.testing.assert_allclose(got, slope, rtol=1e-3, atol=1e-4)
    if counter:
        assert net.params["it"][1].data == pytest.approx([1e-6])
        assert not rest[0].any()
    test = make(layer(kind, classes=3, **options), x.shape, (8,), phase=caffe.TEST)
    (plain,), *_ = run(test, [x, LABELS], [w, *counter])
    others = np.arange(3) != LABELS[:, None]
    np.testing.assert_allclose(plain[others], y[others], rtol=1e-4, atol=1e-4)
    if options["margin"] != 1:
        assert (plain[~others] > y[~others]).all()


def test_lambda_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    text = layer("ASoftmax", 'top: "lambda"', classes=3, base=8, gamma=1, lambda_min=1.5)
    net = make(text, (8, 5), (8,))
    assert [float(net.forward()["lambda"][0]) for _ in range(3)] == pytest.approx([4, 8 / 3, 2])
    net.save(str(tmp_path / "w.caffemodel"))
    other = make(text, (8, 5), (8,))
    other.copy_from(str(tmp_path / "w.caffemodel"))
    assert [float(other.forward()["lambda"][0]) for _ in range(2)] == pytest.approx([1.6, 1.5])
    assert (other.params["it"][0].data == net.params["it"][0].data).all()


WRONG = [
    ("AMSoftmax", {}, "classes is missing"),
    ("ASoftmax", {"classes": 3, "margin": 5}, "margin must be 1, 2, 3 or 4, got 5"),
    ("TripletLoss", {"mining": "hard"}, "mining must be one of semi-hard, batch-hard, batch-all"),
    ("TripletLoss", {"mining": 3}, "mining: 3 is of the wrong type"),
    ("CenterLoss", {"classes": 3, "alfa": 1}, "CenterLoss has no option alfa .there are: classes, alpha"),
    ("CenterLoss", {"classes": True}, "classes: True is of the wrong type"),
]


@pytest.mark.parametrize(("kind", "options", "message"), WRONG)
def test_options_that_are_wrong(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=f"layer 'it': {message}"):
        make(layer(kind, **options), (8, 5), (8,))


def test_a_param_str_that_is_no_json() -> None:
    text = layer("TripletLoss").replace("'{}'", "'margin=1'")
    assert "margin=1" in text
    with pytest.raises(FormatError, match="layer 'it': param_str is no JSON .*: margin=1"):
        make(text, (8, 5), (8,))


def test_labels_and_shapes_that_are_wrong() -> None:
    net = make(layer("AMSoftmax", classes=2), (8, 5), (8,))
    net.blobs["in1"].data[...] = LABELS
    with pytest.raises(ValueError, match=r"layer 'it': label 2 \(item 3 of the batch\) is outside 0 … 1"):
        net._forward(0, len(net.layers) - 1)
    with pytest.raises(FormatError, match=r"takes features \(N, …\) and N labels"):
        make(layer("TripletLoss"), (8, 5), (7,))


def test_shapes_are_known_without_an_engine() -> None:
    text = """
    layer { name: "i" type: "Input" top: "x" top: "l"
            input_param { shape { dim: 8 dim: 5 } shape { dim: 8 } } }
    layer { name: "it" bottom: "x" bottom: "l" %s }
    """
    net = parse(text % layer("ASoftmax", 'top: "lambda"', classes=7), NetParameter(), "net")
    assert infer_shapes(net)["y"] == (8, 7)
    assert infer_shapes(net)["lambda"] == (1,)


def test_every_shipped_loss_has_options_and_an_own_layer() -> None:
    assert set(OPTIONS) == set(SHIPPED_LOSSES)
    assert all(one.__doc__ for one in SHIPPED_LOSSES.values())
