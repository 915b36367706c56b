"""Accuracies by hand, and a model scored from folder, list and LMDB."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.config import load_settings
from caffekit.engines import Engine
from caffekit.errors import DataError, UsageError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.preprocess import Preprocess
from caffekit.formats.weights import to_blob, write_caffemodel
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps.evaluate import Model, _refuse_features, evaluate, measure

DEPLOY = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 2 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
CLASSES = ["dark", "light", "middle"]
GREYS = {"dark": 10, "light": 240, "middle": 120}


def test_measure_counts_as_caffes_accuracy_layer_does() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [np.nan, 0.5, 0.4]], np.float32)
    result = measure(np.array([0, 2, 0, 0]), scores, [2], ["a", "b"])
    assert result["top1"] == 0.25  # a tie counts against the true class, a nan too
    assert result["top2"] == 0.75
    assert result["confusion"] == [[1, 2, 0], [0, 0, 0], [0, 1, 0]]
    assert result["per_class"][0] == {"class": "a", "images": 3, "accuracy": 1 / 3, "precision": 1.0}
    assert result["per_class"][1]["accuracy"] is None
    assert result["per_class"][2]["class"] == "2"
    assert result["nonfinite"] == 1
    with pytest.raises(DataError, match="label 3, but the net has 3 outputs"):
        measure(np.array([3]), scores[:1], [1])


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A model that tells grey levels apart, trained on 2x2 images of mean 120."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "deploy.prototxt").write_text(DEPLOY)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    Preprocess(channels=1, color="gray", width=2, height=2, mean_values=[120.0]).write(
        folder / "preprocess.yaml"
    )
    net = NetParameter()
    layer = net.layer.add(name="ip", type="InnerProduct")
    weights = np.array([[-1] * 4, [1] * 4, [0] * 4], np.float32) / 100
    layer.blobs.extend([to_blob(weights), to_blob(np.array([-1, -1, 1], np.float32))])
    write_caffemodel(folder / "best.caffemodel", net)
    return folder


def images(folder: Path, *names: str, each: int = 40) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            cv2.imwrite(str(folder / name / f"{i}.png"), np.full((5, 7), GREYS[name], np.uint8))
    return folder


def score(run_dir: Path, source: Path, engine: Engine | None = None, **how: object) -> Report:
    name = engine.name if engine else "embedded"
    settings = load_settings(None, (f"train.engine={name}", "train.gpu=none"))
    python = Path(engine.path) if engine and name == "bvlc" else None
    arguments = {"run_dir": run_dir, "caffe_python": python, **how}
    return evaluate(settings, source, Options(quiet=True), **arguments)  # type: ignore[arg-type]


def test_a_folder_that_lacks_a_class_still_gets_the_models_ids(
    engine: Engine, run_dir: Path, tmp_path: Path
) -> None:
    report = score(run_dir, images(tmp_path / "set", "light", "middle"), engine)
    assert (report.summary["top1"], report.summary["images"]) == (1.0, 80)
    assert report.summary["confusion"] == [[0, 0, 0], [0, 40, 0], [0, 0, 40]]
    assert json.loads((run_dir / "evaluation.json").read_text())["top1"] == 1.0
    rows = list(csv.reader((run_dir / "confusion.csv").read_text().splitlines()))
    assert rows[0] == ["true class", *CLASSES]
    assert rows[2] == ["light", "0", "40", "0"]


def test_a_list(run_dir: Path, tmp_path: Path) -> None:
    images(tmp_path / "set", "dark", each=1)
    source = tmp_path / "list.txt"
    source.write_text("dark/0.png 0\n")
    out = tmp_path / "out"
    report = score(run_dir, source, root=tmp_path / "set", out=out)
    assert report.summary["top1"] == 1.0
    assert (out / "confusion.csv").exists()
    assert not (run_dir / "confusion.csv").exists()
    with pytest.raises(UsageError, match="exists already"):
        score(run_dir, source, root=tmp_path / "set", out=out)


def test_what_cannot_be_evaluated(run_dir: Path, tmp_path: Path) -> None:
    folder = images(tmp_path / "set", "dark", each=1)
    (folder / "dark" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="bad.png"):
        score(run_dir, folder)
    (folder / "dark").rename(folder / "unknown")
    with pytest.raises(DataError, match="class 'unknown' is none that the model knows"):
        score(run_dir, folder)
    with pytest.raises(DataError, match="does not exist"):
        score(run_dir, tmp_path / "nope")
    with pytest.raises(UsageError, match="nothing to evaluate"):
        evaluate(load_settings(None), folder)
    (run_dir / "best.caffemodel").unlink()
    with pytest.raises(DataError, match="no such file: .*best.caffemodel"):
        score(run_dir, folder)
    assert not (run_dir / "evaluation.json").exists()


def test_features_are_no_scores(tmp_path: Path) -> None:
    """A face net gives features: their largest is no class."""
    (tmp_path / "deploy.prototxt").write_text(
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }\n'
        'layer { name: "f" type: "InnerProduct" bottom: "d" top: "f" inner_product_param { num_output: 9 } }'
    )
    contract = Preprocess(channels=1, color="gray", width=4, height=4)
    model = Model(tmp_path / "deploy.prototxt", tmp_path / "w", contract, ["cat", "dog"])
    with pytest.raises(DataError, match="9 numbers an image, not a score for each of 2 classes"):
        _refuse_features(model, 9)
    _refuse_features(model, 2)
