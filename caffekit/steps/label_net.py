"""Small nets that judge labels: each learns from the images of all folds but one, and judges that one's."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.confident import Evidence, best_temperature, evidence, joined
from caffekit.checks.folds import folds
from caffekit.checks.pictures import Pictures, mirror_safe, planes
from caffekit.checks.table import PICTURE, Table
from caffekit.errors import DataError, os_errors
from caffekit.options import Options
from caffekit.steps.processes import process_map

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FOLDS = 4
SIDE = 32
BATCH, JUDGED = 64, 256
# Images that a net sees while it learns: so many times each, of a small set more often, of a large one less.
TIMES, OFTEN, LEAST, MOST = 12, 50, 20_000, 60_000
SHIFT = 3  # pixels
MAPS = (16, 32, 64, 128)
SECONDS = 3600.0
BLOCK = 8192
SAMPLE = 2000


class Fold(NamedTuple):
    """One net's work: `folder` has pictures.npy, codes.npy and folds.npy, for all nets."""

    folder: str
    number: int
    classes: int
    visits: int
    mirror: bool
    seed: int


def judge_by_nets(
    table: Table, use: Ints, codes: Ints, groups: Ints, classes: int, options: Options
) -> Evidence:
    """What FOLDS small nets say of the labels of the images `use`; those of a group are judged by one net.

    In children with one thread each, so that the numbers do not depend on the number of cores or workers.
    Pictures stay in a file, a kilobyte each.
    """
    import joblib

    of = folds(codes, groups, FOLDS, options.seed)
    with tempfile.TemporaryDirectory(prefix="caffekit-labels-") as folder, os_errors("writing", folder):
        np.save(Path(folder) / "codes.npy", codes)
        np.save(Path(folder) / "folds.npy", of)
        _store(Path(folder), table, use)
        some = np.sort(np.random.default_rng(options.seed).permutation(len(use))[: 10 * SAMPLE])
        mirror = mirror_safe(table.pictures(use[some]), codes[some])
        options.note(
            f"labels: {FOLDS} small nets learn from {len(codes)} thumbnails, each by looking at"
            f" {visits(len(codes))}{', mirrored too' if mirror else ''}, and judges those it did not see"
        )
        work = [
            Fold(folder, number, classes, visits(len(codes)), mirror, options.seed) for number in range(FOLDS)
        ]
        with joblib.parallel_config("loky", inner_max_num_threads=1), warnings.catch_warnings():
            # A child that has learnt is larger than loky likes: it is replaced, and all is well.
            warnings.filterwarnings("ignore", "A worker stopped", UserWarning)
            parts = process_map(_judge, work, options.jobs, _failed, SECONDS)
            found = list(options.progress(parts, FOLDS, "labels"))
    return joined(found, [np.flatnonzero(of == number) for number in range(FOLDS)])


def _store(folder: Path, table: Table, use: Ints) -> None:
    shape = (len(use),)
    out = np.lib.format.open_memmap(folder / "pictures.npy", "w+", PICTURE, shape)
    for at in range(0, len(use), BLOCK):
        out[at : at + BLOCK] = table.pictures(use[at : at + BLOCK])
    out.flush()


def visits(count: int) -> int:
    """How many images, again and again, a net sees of a set of `count`."""
    return min(MOST, max(TIMES * count * (FOLDS - 1) // FOLDS, min(LEAST, OFTEN * count)))


def _failed(fold: Fold) -> Evidence:
    raise DataError("a small net for the label check did not end", "--labels-by edges or --no-labels")


def _judge(fold: Fold) -> Evidence:
    """In a child process."""
    os.environ["GLOG_minloglevel"] = "2"  # noqa: SIM112 - glog's spelling
    pictures = np.load(Path(fold.folder) / "pictures.npy", mmap_mode="r")
    codes, of = (np.load(Path(fold.folder) / f"{name}.npy") for name in ("codes", "folds"))
    learn, judge = np.flatnonzero(of != fold.number), np.flatnonzero(of == fold.number)
    net = _Net(pictures, learn, fold)
    net.learn(codes, learn)
    logits = net.logits(judge)
    return evidence(logits, codes[judge], best_temperature(logits, codes[judge]))


class _Net:
    """The small net of a fold, in the embedded engine."""

    def __init__(self, pictures: Pictures, learn: Ints, fold: Fold) -> None:
        self.pictures, self.fold = pictures, fold
        self.random = np.random.default_rng([fold.seed, fold.number])
        some = planes(pictures[np.sort(self.random.permutation(learn)[:SAMPLE])])
        self.mean = some.mean((0, 2, 3), keepdims=True)
        self.scale = 1 / max(1.0, float(some.std()))

    def learn(self, codes: Ints, learn: Ints) -> None:
        """Train, by class with the square root of its share: a large one must not outvote a small one."""
        import caffekit.pycaffe as caffe

        self.solver = caffe.NesterovSolver(_solver(self.fold))
        data, label = (self.solver.net.blobs[name].data for name in ("data", "label"))
        counts = np.bincount(codes[learn], minlength=self.fold.classes)
        weight = 1 / np.sqrt(counts[codes[learn]])
        steps = np.cumsum(weight) / weight.sum()
        for _ in range(self.solver.param.max_iter):
            # One of each stretch of the same total weight: evenly through the set.
            points = (np.arange(BATCH) + self.random.random(BATCH)) / BATCH
            chosen = learn[np.minimum(np.searchsorted(steps, points), len(learn) - 1)]
            data[...] = self._changed(self._input(chosen))
            label[...] = codes[chosen]
            self.solver.step(1)

    def logits(self, judge: Ints) -> Floats:
        """Images × classes, the mean of both views where mirroring is safe."""
        import caffekit.pycaffe as caffe

        with tempfile.NamedTemporaryFile("w", suffix=".prototxt", dir=self.fold.folder) as file:
            file.write(str(_net(self.fold.classes, JUDGED)))
            file.flush()
            net = caffe.Net(file.name, caffe.TEST)
        net.share_with(self.solver.net)
        out = np.zeros((len(judge), self.fold.classes), np.float32)
        views = (1, -1) if self.fold.mirror else (1,)
        for start in range(0, len(judge), JUDGED):
            part = slice(start, start + JUDGED)
            images = self._input(judge[part])
            for view in views:
                net.blobs["data"].data[: len(images)] = images[..., ::view]
                net.forward()
                out[part] += net.blobs["classes"].data[: len(images)] / len(views)
        return out

    def _input(self, chosen: Ints) -> Floats:
        batch: Floats = (planes(self.pictures[chosen]) - self.mean) * np.float32(self.scale)
        return batch

    def _changed(self, images: Floats) -> Floats:
        """Shifted by some pixels, and mirrored by half where that is safe."""
        count = len(images)
        if self.fold.mirror:
            turned = self.random.random(count) < 0.5
            images[turned] = images[turned][..., ::-1]
        padded = np.pad(images, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
        y, x = (self.random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(SIDE) for _ in "yx")
        each, channel = np.arange(count)[:, None, None, None], np.arange(3)[:, None, None]
        shifted: Floats = padded[each, channel, y[:, None, :, None], x[:, None, None, :]]
        return shifted


def _solver(fold: Fold) -> Any:
    from caffekit.formats.caffe_pb2 import SolverParameter

    param = SolverParameter(
        base_lr=0.05,
        lr_policy="poly",
        power=1,
        max_iter=fold.visits // BATCH,
        momentum=0.9,
        weight_decay=5e-4,
        random_seed=fold.seed + fold.number,
    )
    param.net_param.CopyFrom(_net(fold.classes, BATCH))
    return param


def _net(classes: int, batch: int) -> Any:
    """Convolutions of 3x3 with batch normalisation; each halves the picture, the last takes its average."""
    import caffekit.pycaffe as caffe

    layers: Any = caffe.layers
    net = caffe.NetSpec()
    net.data = layers.Input(shape={"dim": [batch, 3, SIDE, SIDE]})
    net.label = layers.Input(shape={"dim": [batch]})
    top = net.data
    for number, maps in enumerate(MAPS, 1):
        fine = {"num_output": maps, "kernel_size": 3, "pad": 1, "bias_term": False}
        top = layers.Convolution(top, weight_filler={"type": "msra"}, **fine)
        top = layers.BatchNorm(top, moving_average_fraction=0.95)
        top = layers.ReLU(layers.Scale(top, bias_term=True), in_place=True)
        last = number == len(MAPS)
        top = (
            layers.Pooling(top, pool=1, global_pooling=True)
            if last
            else layers.Pooling(top, pool=0, kernel_size=2, stride=2)
        )
    net.classes = layers.InnerProduct(top, num_output=classes, weight_filler={"type": "xavier"})
    net.loss = layers.SoftmaxWithLoss(net.classes, net.label)
    return net.to_proto()
