"""check: a chain in which everything fits, and one thing at a time that does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from caffekit.config import Settings, load_settings
from caffekit.config.schema import GenLmdbSettings
from caffekit.config.values import Size
from caffekit.errors import DataError, EnvironmentProblem
from caffekit.formats.prototxt import read_net, write_prototxt
from caffekit.formats.weights import read_caffemodel, write_caffemodel
from caffekit.options import Options
from caffekit.report import Report
from caffekit.steps import check as module
from caffekit.steps.check import check
from caffekit.steps.gen_lmdb import gen_lmdb
from caffekit.steps.train import train

QUIET = Options(quiet=True)


def make_set(root: Path) -> Path:
    """Two classes of photos whose channels vary differently, some of them larger than 32x32."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(10):
            image = random.normal(120, [10, 30, 60], (40, 36, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(root / name / f"{i}.png"), image)
    return root


def settings(folder: Path, *more: str) -> Settings:
    places = (f"data.work={folder}", f"train.runs={folder}/runs", "name=t", "train.gpu=none")
    return load_settings(None, (*places, "solver.max_iter=2", "solver.batch_size=4", *more))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WORK with photos, LMDBs and a run of two iterations, whose net crops and mirrors."""
    work = tmp_path_factory.mktemp("chain")
    raw = make_set(work / "raw")
    gen_lmdb(raw, work / "t/train_lmdb", GenLmdbSettings(resize=Size(36, 34)))
    follow = GenLmdbSettings(preprocess=work / "t/train_lmdb.preprocess.yaml")
    gen_lmdb(raw, work / "t/val_lmdb", follow)
    report = train(settings(work, "net.crop=32", "net.mirror=true"), QUIET)
    assert report.exit_code == 0, report.error
    return work


@pytest.fixture
def work(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it whose run may be changed, and no real Caffe."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    monkeypatch.setattr(module, "find_engine", only_embedded)
    return tmp_path


def only_embedded(name: str, *more: Any) -> Any:
    from caffekit.engines import find_engine

    if name == "bvlc":
        raise EnvironmentProblem("no real Caffe: none installed")
    return find_engine(name, *more)


def findings(report: Report) -> dict[str, str]:
    """The messages of each rule."""
    found: dict[str, str] = {}
    for one in report.summary["findings"]:
        found[one["rule"]] = found.get(one["rule"], "") + one["message"] + "\n"
    return found


def test_what_fits(work: Path) -> None:
    report = check(settings(work), QUIET)
    assert report.summary["findings"] == [] and report.exit_code == 0
    tensors = report.summary["tensors"]
    assert tensors["paths"] == ["train", "test", "predict", "deploy"] and tensors["files"] == 16
    assert tensors["largest_difference"] < 1e-3
    assert report.warnings == ["compared in the embedded engine only: no real Caffe: none installed"]


@pytest.mark.bvlc
def test_both_engines(bvlc: Path, trained: Path) -> None:
    report = check(settings(trained), QUIET, caffe_python=bvlc)
    assert report.summary["findings"] == []
    assert report.summary["tensors"]["engines"] == ["embedded", "bvlc"]
    assert report.summary["tensors"]["largest_difference"] < 1e-3


def change_net(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        net = read_net(run / name)
        change(net)
        write_prototxt(run / name, net)

    return apply


def change_text(name: str, before: str, after: str) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        text = (run / name).read_text()
        assert before in text
        (run / name).write_text(text.replace(before, after))

    return apply


def change_model(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        model = read_caffemodel(run / "best.caffemodel")
        change({layer.name: layer for layer in model.layer})
        write_caffemodel(run / "best.caffemodel", model)

    return apply


def set_test_mean(net: Any) -> None:
    net.layer[1].transform_param.mean_value[0] += 3


def drop_std(net: Any) -> None:
    index = next(i for i, layer in enumerate(net.layer) if layer.name == "data_std")
    net.layer[index + 1].bottom[0] = "data"
    del net.layer[index]


def set_std(layers: Any) -> None:
    layers["data_std"].blobs[0].data[1] *= 2


def extra_bias(layers: Any) -> None:
    layers["ip2"].blobs[1].shape.dim[0] += 1
    layers["ip2"].blobs[1].data.append(float("nan"))


MEAN_AND_NAMES = (
    change_net("train_val.prototxt", set_test_mean),
    change_text("labels.txt", "cat", "cow"),
    change_model(extra_bias),
)
STD_OF_THE_MODEL = (change_model(set_std), change_text("labels.txt", "dog\n", "dog\ncow\n"))
OTHER_RULES = (
    change_net("deploy.prototxt", drop_std),
    change_text("preprocess.yaml", "height: 34", "height: 33"),
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            MEAN_AND_NAMES,
            {
                "transform": "data (TEST) subtracts",
                "tensors": "test in the embedded engine: the tensor of a file is not the contract's: 3 grey",
                "labels": "other class names than the model's: cat where",
                "weights": "not finite",
            },
        ),
        (
            STD_OF_THE_MODEL,
            {
                "std": "best.caffemodel: data_std multiplies by",
                "tensors": "deploy in the embedded engine",
                "labels": "2 outputs",
            },
        ),
        (
            OTHER_RULES,
            {
                "std": "deploy.prototxt: the contract divides by std",
                "database": "records are 3x34x36",
                "mean": "a mean of 3x34x36",
                "record": "is 34x36x3, its file now gives 33x36x3",
                "tensors": "no file could be followed",
            },
        ),
    ],
    ids=["mean", "std", "rules"],
)
def test_what_does_not_fit(
    work: Path, changes: tuple[Callable[[Path], None], ...], expected: dict[str, str]
) -> None:
    for change in changes:
        change(work / "runs/t")
    report = check(settings(work), QUIET)
    found = findings(report)
    assert report.exit_code == 3 and set(found) == set(expected), found
    for rule, text in expected.items():
        assert text in found[rule], found


def test_images_that_changed_or_went_are_named(work: Path, trained: Path) -> None:
    paths = [trained / "raw/dog/3.png", trained / "raw/dog/4.png"]
    before = [path.read_bytes() for path in paths]
    try:
        cv2.imwrite(str(paths[0]), np.zeros((40, 36, 3), np.uint8))
        paths[1].unlink()
        found = findings(check(settings(work), QUIET, files=20))
    finally:
        for path, data in zip(paths, before, strict=True):
            path.write_bytes(data)
    assert "dog/3.png gives now by" in found["record"]
    assert "1 of its images cannot be read again, first" in found["files"]


def test_before_training_the_nets_that_would_be_made_are_looked_at(trained: Path, tmp_path: Path) -> None:
    before = settings(trained, f"train.runs={tmp_path}")
    report = check(before, QUIET)
    assert report.summary["findings"] == [] and report.summary["tensors"]["files"] == 16
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def pairs(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of pairs, and the training LMDB of them; no real Caffe."""
    monkeypatch.setattr(module, "find_engine", only_embedded)
    path = tmp_path / "p.txt"
    path.write_text("".join(f"cat/{i}.png dog/{i}.png\n" for i in range(4)))
    gen_lmdb(trained / "raw", tmp_path / "t/train_lmdb", GenLmdbSettings(resize=Size(32, 32), pairs=path))
    return path


def test_pairs_beside_a_validation_set_of_single_images(trained: Path, tmp_path: Path, pairs: Path) -> None:
    gen_lmdb(trained / "raw", tmp_path / "t/val_lmdb", GenLmdbSettings(resize=Size(32, 32)))
    found = findings(check(settings(tmp_path, "net.template=siamese"), QUIET))
    assert "val_lmdb: records are 3x32x32, but" in found["database"] and "says 6x32x32" in found["database"]


def test_pairs_are_followed_through_a_siamese_net(trained: Path, tmp_path: Path, pairs: Path) -> None:
    """Training sees both images of a record, deployment one: each as the contract says."""
    follow = GenLmdbSettings(preprocess=tmp_path / "t/train_lmdb.preprocess.yaml", pairs=pairs)
    gen_lmdb(trained / "raw", tmp_path / "t/val_lmdb", follow)
    report = check(settings(tmp_path, "net.template=siamese"), QUIET)
    assert set(findings(report)) <= {"lint parameters-for-images"}
    facts = report.summary["tensors"]
    assert facts["files"] == 8 and facts["largest_difference"] < 1e-3 and facts["records_off"] == 0


def test_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to check yet"):
        check(settings(tmp_path), QUIET)
