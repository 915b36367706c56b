"""Training on images that are changed as they are read, in both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.config import load_settings
from caffekit.engines import Engine
from caffekit.errors import UsageError
from caffekit.formats.datum import image_datum
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.formats.prototxt import read_net
from caffekit.options import Options
from caffekit.report import Report
from caffekit.runs import read_events
from caffekit.steps.run import plan
from caffekit.steps.train import train
from caffekit.transforms import augment_image, random_for

RECORDS, BATCH, SIDE = 7, 3, 9
NET = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mean_value: 100 scale: 0.01 } data_param { source: "@db@" batch_size: 3 backend: LMDB } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 7 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "pool" type: "Pooling" bottom: "data" top: "seen"
  pooling_param { pool: AVE global_pooling: true } }
"""
ASKED = ("train.augment=true", "augment.rotate=25", "augment.scale=[0.7,1.3]", "seed=4")
CHANGES: dict[str, Any] = {"rotate": 25.0, "scale": [0.7, 1.3], "border": "edge"}


def images() -> Any:
    return np.random.RandomState(2).randint(0, 256, (RECORDS, SIDE, SIDE, 3)).astype(np.uint8)


def make(folder: Path, max_iter: int = 8) -> Path:
    if not (folder / "db").exists():
        records = [(b"%d" % i, image_datum(im, i).SerializeToString()) for i, im in enumerate(images())]
        write_lmdb(folder / "db", records)
    (folder / "net.prototxt").write_text(NET.replace("@db@", str(folder / "db")))
    solver = folder / "solver.prototxt"
    solver.write_text(
        f'net: "{folder / "net.prototxt"}" base_lr: 0.001 lr_policy: "fixed" display: 1 max_iter: {max_iter}'
        f' snapshot: 4 random_seed: 1 snapshot_prefix: "{folder / "s"}"'
    )
    return solver


def run(engine: Engine, solver: Path, *overrides: str, **how: Any) -> Report:
    settings = load_settings(None, (f"train.engine={engine.name}", "train.gpu=none", *overrides))
    python = engine.path if engine.name == "bvlc" else None
    how = {"run_dir": solver.parent / "run", "caffe_python": python, **how}
    return train(settings, Options(quiet=True, seed=settings.seed), solver=solver, **how)


def seen(folder: Path, attempt: int) -> dict[int, list[float]]:
    """What entered the net at each iteration: the mean of each channel of each image."""
    events = read_events(folder / "run" / "events.jsonl")
    shown = [event for event in events if event["event"] == "display" and event["attempt"] == attempt]
    return {event["iter"]: event["outputs"]["seen"] for event in shown}


def expected(iteration: int) -> list[float]:
    """The mean of each channel of each image of a batch, by the transforms themselves."""
    out = []
    for number in range(BATCH * iteration, BATCH * (iteration + 1)):
        image = augment_image(images()[number % RECORDS], random_for(4, "", number), CHANGES)
        out += ((image.mean((0, 1)) - 100) * 0.01).tolist()
    return out


def test_both_engines_train_on_the_same_changed_images(engine: Engine, tmp_path: Path) -> None:
    report = run(engine, make(tmp_path), *ASKED)
    assert (report.exit_code, report.summary["iterations"]) == (0, 8)
    means = seen(tmp_path, 1)
    assert sorted(means) == list(range(8))
    for iteration, values in means.items():
        assert values == pytest.approx(expected(iteration), abs=1e-5)
    assert read_net(tmp_path / "run" / "train_val.prototxt").layer[0].type == "Data", "what the user wrote"


def test_a_resumed_training_goes_on_in_the_changes(engine: Engine, tmp_path: Path) -> None:
    run(engine, make(tmp_path, 4), *ASKED)
    with pytest.raises(UsageError, match="the augmentation changed"):
        run(engine, make(tmp_path, 8), "train.augment=true", "augment.rotate=5", resume="auto")
    run(engine, make(tmp_path, 8), *ASKED, resume="auto")
    means = seen(tmp_path, 2)
    assert sorted(means) == [4, 5, 6, 7]
    for iteration, values in means.items():
        assert values == pytest.approx(expected(iteration), abs=1e-5)


def test_what_cannot_be_read_is_named(engine: Engine, tmp_path: Path) -> None:
    solver = make(tmp_path)
    records = [(b"%d" % i, image_datum(im, i).SerializeToString()) for i, im in enumerate(images())]
    write_lmdb(tmp_path / "other", [*records[:4], (b"4 bad", b"\xff\xff")])
    net = tmp_path / "net.prototxt"
    net.write_text(net.read_text().replace(str(tmp_path / "db"), str(tmp_path / "other")))
    report = run(engine, solver, *ASKED)
    assert report.exit_code == 4
    assert report.error and "record 4 bad" in report.error.message


def test_nothing_to_change_is_a_usage_error(tmp_path: Path) -> None:
    settings = load_settings(None, ("train.augment=true", "train.gpu=none"))
    with pytest.raises(UsageError, match="the section augment changes nothing"):
        train(settings, Options(quiet=True), solver=make(tmp_path), run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_chain_trains_again_only_if_it_uses_what_changed() -> None:
    def stage(*overrides: str) -> Any:
        settings = load_settings(None, ("data.root=x", *overrides))
        return next(stage for stage in plan(settings) if stage.name == "train").fingerprint(0, "")

    assert stage("augment.rotate=5") == stage("augment.rotate=6")
    assert stage("augment.rotate=5", ASKED[0]) != stage("augment.rotate=6", ASKED[0])
