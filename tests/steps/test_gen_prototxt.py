"""gen-prototxt on tiny LMDBs: what is read from them, what is written, what is refused; real Caffe's view."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.config import Settings, load_settings, shipped_folder
from caffekit.errors import DataError, FormatError, UsageError
from caffekit.formats.binaryproto import read_mean
from caffekit.formats.blobs import to_blob
from caffekit.formats.prototxt import read_net, read_solver
from caffekit.formats.weights import write_caffemodel
from caffekit.graph import layer_costs
from caffekit.netgen import TEMPLATES
from caffekit.options import Options
from caffekit.steps.gen_prototxt import gen_prototxt
from tests.steps.databases import make_db, make_training_db


def settings(tmp_path: Path, *overrides: str) -> Settings:
    return load_settings(None, (f"data.work={tmp_path}", "name=t", *overrides))


@pytest.fixture
def dbs(tmp_path: Path) -> Path:
    make_training_db(tmp_path / "t" / "train_lmdb", 130)
    make_db(tmp_path / "t" / "val_lmdb", 20)
    return tmp_path


def test_the_three_files(dbs: Path) -> None:
    report = gen_prototxt(
        dbs / "net", settings(dbs, "solver.epochs=4", "seed=5", "train.snapshots.every=50%")
    )
    train, test = (layer for layer in read_net(dbs / "net/train_val.prototxt").layer if layer.type == "Data")
    assert (train.data_param.source, train.data_param.batch_size) == (str(dbs / "t/train_lmdb"), 64)
    assert (test.data_param.source, test.data_param.batch_size) == (str(dbs / "t/val_lmdb"), 20)
    assert train.data_param.backend == train.data_param.LMDB
    assert list(train.transform_param.mean_value) == [100.0] and train.transform_param.scale == 1 / 64
    solver = read_solver(dbs / "net/solver.prototxt")
    assert (solver.max_iter, solver.test_interval, list(solver.test_iter), solver.snapshot) == (12, 3, [1], 6)
    assert (solver.net, solver.snapshot_prefix) == (str(dbs / "net/train_val.prototxt"), str(dbs / "net/t"))
    assert solver.random_seed == 5 and solver.HasField("random_seed")
    deploy = read_net(dbs / "net/deploy.prototxt")
    assert list(deploy.layer[0].input_param.shape[0].dim) == [1, 1, 32, 32]
    assert report.summary["classes"] == 10
    assert "template lenet: the default for grey images" in report.summary["notes"]


def test_colour_images_get_another_template(tmp_path: Path) -> None:
    db = make_training_db(tmp_path / "db", 10, channels=3)
    gen_prototxt(tmp_path / "net", settings(tmp_path), train_db=db)
    assert read_net(tmp_path / "net/train_val.prototxt").name == "CIFAR10_quick"


def test_without_validation_there_is_no_test_net(tmp_path: Path) -> None:
    gen_prototxt(tmp_path / "net", settings(tmp_path), train_db=make_training_db(tmp_path / "db", 10))
    solver = read_solver(tmp_path / "net/solver.prototxt")
    assert not solver.test_iter and not solver.HasField("test_interval")
    assert not any(layer.type == "Accuracy" for layer in read_net(tmp_path / "net/train_val.prototxt").layer)


def test_classes_are_those_of_labels_txt(dbs: Path) -> None:
    (dbs / "t/labels.txt").write_text("".join(f"c{i}\n" for i in range(12)))
    assert gen_prototxt(dbs / "net", settings(dbs)).summary["classes"] == 12
    (dbs / "t/labels.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="label 9, but labels.txt names 2 classes"):
        gen_prototxt(dbs / "net2", settings(dbs))
    (dbs / "t/train_lmdb.labels.txt").write_text("".join(f"c{i}\n" for i in range(11)))
    assert gen_prototxt(dbs / "net3", settings(dbs)).summary["classes"] == 11, "gen-lmdb's comes first"


def test_a_missing_contract_is_a_warning(tmp_path: Path) -> None:
    report = gen_prototxt(tmp_path / "net", settings(tmp_path), train_db=make_db(tmp_path / "db", 10))
    assert len(report.warnings) == 1 and "db.preprocess.yaml" in report.warnings[0]


def test_dry_run_writes_nothing(dbs: Path) -> None:
    report = gen_prototxt(dbs / "net", settings(dbs), Options(dry_run=True))
    assert not (dbs / "net").exists() and report.lines[0].startswith("would write")


def test_nothing_is_overwritten_unasked(dbs: Path) -> None:
    (dbs / "net").mkdir()
    (dbs / "net/solver.prototxt").write_text("mine")
    with pytest.raises(UsageError, match="solver.prototxt exists already"):
        gen_prototxt(dbs / "net", settings(dbs))
    assert [p.name for p in (dbs / "net").iterdir()] == ["solver.prototxt"]
    gen_prototxt(dbs / "net", settings(dbs), Options(overwrite=True))
    assert read_solver(dbs / "net/solver.prototxt").max_iter == 90


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("net.crop=33",), r"net.crop 33 is larger than the images \(32x32\)"),
        (("net.crop=12",), "lenet needs images of at least 16 pixels, got 12"),
    ],
)
def test_what_does_not_fit(dbs: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gen_prototxt(dbs / "net", settings(dbs, *overrides))
    assert not (dbs / "net").exists()


def test_class_weights_and_label_smoothing_become_a_matrix(dbs: Path) -> None:
    """130 images of ten classes in turn: 13 each, so that balanced weights are all one."""
    asked = ("net.class_weights=balanced", "net.label_smoothing=0.1")
    report = gen_prototxt(dbs / "net", settings(dbs, *asked))
    loss = next(
        layer for layer in read_net(dbs / "net/train_val.prototxt").layer if layer.type == "InfogainLoss"
    )
    assert loss.infogain_loss_param.source == str(dbs / "net/infogain.binaryproto")
    matrix = read_mean(dbs / "net/infogain.binaryproto")[0]
    assert np.allclose(matrix, 0.9 * np.eye(10) + 0.01)
    assert any("classes weigh 1 to 1, labels are smoothed by 0.1" in line for line in report.lines)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("net.class_weights=[1, 2]",), "expected 10 numbers above 0"),
        (("net.class_weights=balanced", "net.loss=hinge"), "the loss is hinge"),
        (("net.label_smoothing=0.1", "net.loss=a_softmax"), "the loss is a_softmax"),
    ],
)
def test_weights_that_do_not_fit(dbs: Path, asked: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gen_prototxt(dbs / "net", settings(dbs, *asked))
    assert not (dbs / "net").exists()


def test_a_class_without_images_cannot_be_balanced(tmp_path: Path) -> None:
    make_training_db(tmp_path / "t" / "train_lmdb", 5)
    make_db(tmp_path / "t" / "val_lmdb", 20)
    with pytest.raises(UsageError, match="has no image of class 5"):
        gen_prototxt(tmp_path / "net", settings(tmp_path, "net.class_weights=balanced"))


@pytest.mark.bvlc
def test_both_engines_weigh_classes_alike(bvlc: Path, dbs: Path) -> None:
    weights = ", ".join(str(1 + n) for n in range(10))
    gen_prototxt(dbs / "net", settings(dbs, f"net.class_weights=[{weights}]", "net.label_smoothing=0.2"))
    script = (
        "caffe.set_random_seed(1); net = caffe.Net(sys.argv[1], caffe.TRAIN)\n"
        "print(float(net.forward()['loss']))"
    )
    losses = []
    for start in (
        [str(bvlc), "-c", "import sys, caffe\n" + script],
        [sys.executable, "-c", "import sys, caffekit.pycaffe as caffe\n" + script],
    ):
        done = subprocess.run(
            [*start, dbs / "net/train_val.prototxt"], capture_output=True, text=True, check=True
        )
        losses.append(float(done.stdout.split()[-1]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training LMDB at .*train_lmdb"):
        gen_prototxt(tmp_path / "net", settings(tmp_path))


OWN = """name: "mine"
layer { name: "in" type: "Data" top: "x" top: "label" include { phase: TRAIN } data_param { batch_size: 1 } }
layer { name: "in" type: "Data" top: "x" top: "label" include { phase: TEST } transform_param { scale: 0.5 crop_size: 24 } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "sig" type: "Sigmoid" bottom: "fc" top: "fc" }
layer { name: "acc" type: "Accuracy" bottom: "fc" bottom: "label" top: "acc" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""  # noqa: E501


def own(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "mine.prototxt").write_text(text)
    return settings(tmp_path, f"net.prototxt={tmp_path / 'mine.prototxt'}")


def test_a_net_of_ones_own_is_filled_in(dbs: Path) -> None:
    report = gen_prototxt(dbs / "net", own(dbs, OWN))
    net = read_net(dbs / "net/train_val.prototxt")
    train, test, fc = net.layer[0], net.layer[1], net.layer[2]
    assert (train.data_param.source, train.data_param.batch_size) == (str(dbs / "t/train_lmdb"), 64)
    assert (test.data_param.source, test.data_param.batch_size) == (str(dbs / "t/val_lmdb"), 20)
    assert list(train.transform_param.mean_value) == [100.0]
    assert not test.transform_param.mean_value and test.transform_param.scale == 0.5
    assert fc.inner_product_param.num_output == 10
    deploy = read_net(dbs / "net/deploy.prototxt")
    assert [(layer.name, layer.type) for layer in deploy.layer] == [
        ("in", "Input"), ("fc", "InnerProduct"), ("sig", "Sigmoid"), ("prob", "Softmax"),
    ]  # fmt: skip
    assert list(deploy.layer[0].input_param.shape[0].dim) == [1, 1, 24, 24]
    assert "fc: num_output 3 → 10" in report.summary["notes"]
    assert "in: mean and scale are left as they are" in report.summary["notes"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("phase: TEST } transform", "phase: TRAIN } transform"),
            "one Data layer for phase TRAIN alone, found 2",
        ),
        (('"SoftmaxWithLoss"', '"EuclideanLoss"'), "no classifier found"),
        (('bottom: "x"', 'bottom: "y"'), "mine.prototxt: layer fc: no layer before it makes its bottom y"),
        (("layer {", "lair {"), "mine.prototxt:2"),
    ],
)
def test_nets_that_cannot_be_filled_in(dbs: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        gen_prototxt(dbs / "net", own(dbs, OWN.replace(*change)))
    assert not (dbs / "net").exists()


def test_a_net_of_ones_own_that_ends_in_a_shipped_loss(dbs: Path) -> None:
    gen_prototxt(dbs / "mine", settings(dbs, "net.loss=a_softmax"))
    text = (dbs / "mine/train_val.prototxt").read_text().replace('"classes": 10', '"classes": 7')
    report = gen_prototxt(dbs / "net", own(dbs, text))
    assert any("classes 7 → 10" in note for note in report.summary["notes"])
    layer = next(layer for layer in read_net(dbs / "net/train_val.prototxt").layer if layer.type == "Python")
    assert json.loads(layer.python_param.param_str)["classes"] == 10


LOAD = """
import sys, caffe
for folder in sys.argv[1:]:
    solver = caffe.get_solver(folder + "/solver.prototxt")
    solver.step(2)
    solver.test_nets[0].forward()
    net = caffe.Net(folder + "/deploy.prototxt", caffe.TEST)
    print(net.forward()["prob"].shape[1], float(solver.net.blobs["loss"].data))
"""


def load_in_caffe(interpreter: Path, nets: list[Path]) -> list[tuple[int, float]]:
    """(outputs, loss) of each net after two iterations, one test and one deploy forward in real Caffe."""
    command = [str(interpreter), "-c", LOAD, *map(str, nets)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [(int(n), float(loss)) for n, loss in (line.split() for line in done.stdout.splitlines())]


CLASSICS = ("lenet", "cifar10_quick", "cifar10_full")


@pytest.mark.bvlc
def test_real_caffe_trains_what_is_cropped_and_mirrored(bvlc: Path, tmp_path: Path) -> None:
    db = make_training_db(tmp_path / "db", 70, channels=3, side=36, classes=4)
    test = make_db(tmp_path / "v", 9, channels=3, side=36)
    wishes = ("net.dropout=0.4", "net.crop=32", "net.mirror=true", "solver.clip_gradients=9")
    for template in CLASSICS:
        s = settings(tmp_path, f"net.template={template}", *wishes)
        gen_prototxt(tmp_path / template, s, train_db=db, test_db=test)
    loaded = load_in_caffe(bvlc, [tmp_path / template for template in CLASSICS])
    assert len(loaded) == len(CLASSICS)
    assert all(outputs == 9 and 0 < loss < 50 for outputs, loss in loaded)


ACTIVATIONS = ("relu", "leaky_relu", "prelu", "elu", "sigmoid", "tanh")


def test_weights_want_the_scale_they_were_trained_with(dbs: Path) -> None:
    gen_prototxt(dbs / "net", settings(dbs))
    net = caffe_net(read_net(dbs / "net/deploy.prototxt"))
    write_caffemodel(dbs / "old.caffemodel", net)
    wish = f"finetune.weights={dbs / 'old.caffemodel'}"
    report = gen_prototxt(dbs / "a", settings(dbs, wish))
    assert "times 0.01562: weights trained otherwise are of no use" in report.warnings[0]
    assert [row["action"] for row in report.summary["finetune"]] == ["loads"] * 4
    report = gen_prototxt(dbs / "b", settings(dbs, wish, "finetune.scale=1"))
    assert not report.warnings
    transform = read_net(dbs / "b/train_val.prototxt").layer[0].transform_param
    assert not transform.HasField("scale") and list(transform.mean_value) == [100]


def caffe_net(net: Any) -> Any:
    """`net` with blobs of zeros, as a caffemodel has them."""
    for cost in layer_costs(net):
        layer = next(layer for layer in net.layer if layer.name == cost.name)
        for shape in cost.params:
            to_blob(np.zeros(shape, np.float32), blob=layer.blobs.add())
    return net


SOLVERS = [
    ("lr_policy=fixed", "type=Nesterov"),
    ("lr_policy=exp", "type=AdaGrad"),
    ("lr_policy=inv", "type=RMSProp"),
    ("lr_policy=poly", "type=AdaDelta"),
    ("lr_policy=sigmoid", "type=Adam"),
    (
        "lr_policy=multistep",
        "stepvalue=[1, 2]",
        "regularization_type=L1",
        "iter_size=2",
        "snapshot_format=HDF5",
    ),
]


@pytest.mark.bvlc
def test_real_caffe_knows_every_solver_and_activation(bvlc: Path, dbs: Path) -> None:
    nets = []
    for activation, wishes in zip(ACTIVATIONS, SOLVERS, strict=True):
        nets.append(dbs / f"net_{activation}")
        overrides = [f"net.activation={activation}", *(f"solver.{wish}" for wish in wishes)]
        gen_prototxt(nets[-1], settings(dbs, *overrides))
    assert [outputs for outputs, _ in load_in_caffe(bvlc, nets)] == [10] * len(nets)


CONFIGS = sorted(shipped_folder("configs").rglob("*.yaml"))


def test_every_template_has_a_config_that_trains_it() -> None:
    used = {load_settings(path).net.template for path in CONFIGS}
    assert used >= set(TEMPLATES)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_shipped_config_generates(path: Path, tmp_path: Path) -> None:
    s: Any = load_settings(path)
    size, images = s.gen_lmdb.resize, TEMPLATES[s.net.template].images if s.net.template else 1
    channels = images * (1 if s.gen_lmdb.gray else 3)
    make = make_training_db if images == 1 else make_db  # the contract of pairs is gen-lmdb's affair
    db = make(tmp_path / "db", 40, channels=channels, side=size.width if size else 64)
    test = make_db(tmp_path / "v", 9, channels=channels)
    report = gen_prototxt(tmp_path / "net", s, train_db=db, test_db=test)
    assert report.exit_code == 0 and (tmp_path / "net/deploy.prototxt").exists()


def test_several_losses_at_once(dbs: Path) -> None:
    also = "net.also={center: 0.003, triplet: 0.1, hinge: 0.5}"
    gen_prototxt(dbs / "net", settings(dbs, "net.template=lenet", also))
    net = read_net(dbs / "net/train_val.prototxt")
    losses = {layer.top[0]: list(layer.loss_weight) for layer in net.layer if "loss" in layer.top[0]}
    assert {name: [round(w, 4) for w in weights] for name, weights in losses.items()} == {
        "loss": [], "center_loss": [0.003], "triplet_loss": [0.1, 0], "hinge_loss": [0.5],
    }  # fmt: skip
    deploy = read_net(dbs / "net/deploy.prototxt")
    assert deploy.layer[-1].type == "Softmax"
    start = "import sys, caffekit.pycaffe as caffe\n"
    script = (
        "solver = caffe.get_solver(sys.argv[1]); solver.step(2)\n"
        "print(float(solver.net.blobs['triplet_loss'].data.sum()))"
    )
    command = [sys.executable, "-c", start + script, dbs / "net/solver.prototxt"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1500:]
    assert np.isfinite(float(done.stdout.split()[-1]))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("net.template=lenet", "net.also={center: 0}"), "must be above 0"),
        (("net.template=nin", "net.also={triplet: 1}"), "come from a convolution"),
        (("net.template=lenet", "net.loss=center", "net.also={center: 1}"), "net.loss is center"),
        (
            ("net.template=lenet", "net.loss=a_softmax", "net.also={hinge: 1}"),
            "a_softmax has no scores to judge",
        ),
    ],
)
def test_losses_that_do_not_go_together(dbs: Path, asked: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gen_prototxt(dbs / "net", settings(dbs, *asked))
