"""`evaluate`: how well a model classifies a set: top-k accuracy, per class, confusion matrix."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from caffekit.config.schema import Settings
from caffekit.engines import choose_device, find_engine
from caffekit.engines.scoring import open_scorer
from caffekit.errors import DataError, UsageError, os_errors
from caffekit.formats.atomic import refuse_existing, write_text
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.image_list import ImageList, Item, read_source
from caffekit.formats.images import BadImage
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.formats.preprocess import Preprocess
from caffekit.formats.prototxt import read_net
from caffekit.options import Options
from caffekit.report import Report, dumps

BATCH = 64
DEFAULT_OPTIONS = Options()
Image = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)


@dataclass
class Model:
    """What is evaluated: files, contract, class names (may be empty)."""

    net: Path
    weights: Path
    preprocess: Preprocess
    classes: list[str]


def evaluate(
    settings: Settings,
    source: Path,
    options: Options = DEFAULT_OPTIONS,
    *,
    run_dir: Path | None = None,
    net: Path | None = None,
    weights: Path | None = None,
    preprocess: Path | None = None,
    root: Path | None = None,
    out: Path | None = None,
    caffe_python: Path | None = None,
) -> Report:
    """Evaluate a run's best model, or `net` (deploy) with `weights`, on `source`: folder, list or LMDB.

    Writes evaluation.json and confusion.csv to `out` (default: the run directory; without one, nowhere).
    DataError names the first image that cannot be read: a result over fewer images is not one.
    """
    model = _model(run_dir, net, weights, preprocess)
    out = out or run_dir
    replace = options.overwrite or out == run_dir  # a run's newest evaluation is the one that counts
    for path in _outputs(out):
        refuse_existing(path, replace)
    engine = find_engine(settings.train.engine, caffe_python)
    device, where = choose_device(engine, settings.train.gpu)
    if options.dry_run:
        return Report("evaluate", {}, [f"would evaluate {model.weights} on {source}: {where}"])
    options.note(where)
    total, images = _images(source, root, model)
    labels: list[int] = []
    with open_scorer(engine, model.net, model.weights, device) as scorer:
        shown = options.progress(images, total, "evaluating")
        scores = list(scorer.scores(_batches(shown, scorer.input_shape[2:], labels)))
    if not scores:
        raise DataError(f"{source}: no images in it")
    _refuse_features(model, scores[0].shape[1])
    result = measure(np.array(labels), np.concatenate(scores), settings.evaluate.top, model.classes, source)
    return _report(result, model, source, out, where)


def _refuse_features(model: Model, count: int) -> None:
    """DataError where the net gives no score for each class, as face nets, which are compared by features."""
    if not model.classes or count == len(model.classes):
        return
    if not any(layer.type == "Softmax" for layer in read_net(model.net).layer):
        raise DataError(
            f"{model.net}: {count} numbers an image, not a score for each of {len(model.classes)} classes",
            "features tell pairs apart, not classes; net.loss: softmax or center has scores",
        )


def _batches(images: Iterator[tuple[Image, int]], side: Sequence[int], labels: list[int]) -> Iterator[Image]:
    """(n, c, h, w) batches; the labels are appended to `labels`."""
    while chunk := list(islice(images, BATCH)):
        labels += [label for _, label in chunk]
        yield np.stack([center(image, side) for image, _ in chunk])


def _outputs(out: Path | None) -> list[Path]:
    return [out / "evaluation.json", out / "confusion.csv"] if out else []


def _model(run_dir: Path | None, net: Path | None, weights: Path | None, preprocess: Path | None) -> Model:
    if run_dir is None and (net is None or weights is None):
        hint = "give --run DIR, or --net deploy.prototxt with --weights FILE"
        raise UsageError("nothing to evaluate", hint)
    folder = run_dir or Path()
    net, weights = net or folder / "deploy.prototxt", weights or folder / "best.caffemodel"
    for path in (net, weights):
        if not path.is_file():
            raise DataError(f"no such file: {path}", "a finished training leaves it in its run directory")
    contract = preprocess or (folder / "preprocess.yaml" if run_dir else None)
    names = (run_dir or net.parent) / "labels.txt"
    classes = names.read_text(encoding="utf-8").splitlines() if names.is_file() else []
    if contract is None:
        raise UsageError("how images become the net's input is not said", "give --preprocess FILE")
    return Model(net, weights, Preprocess.read(contract), classes)


def _images(source: Path, root: Path | None, model: Model) -> tuple[int, Iterator[tuple[Image, int]]]:
    """(how many, the images as the net sees them with their labels)."""
    if (source / "data.mdb").is_file() or source.name == "data.mdb":
        with LmdbReader(source) as reader:
            return len(reader), _from_lmdb(source, model.preprocess)
    listed = read_source(source, root)
    items = _by_name(listed, model.classes, source)
    return len(items), _from_files(listed, items, model.preprocess)


def _by_name(listed: ImageList, classes: list[str], source: Path) -> list[Item]:
    """The items with the model's class ids: a folder that lacks a class numbers the others differently."""
    if not listed.classes or not classes or listed.classes == classes:
        return listed.items
    unknown = [name for name in listed.classes if name not in classes]
    if unknown:
        known = ", ".join(classes[:10])
        raise DataError(f"{source}: class {unknown[0]!r} is none that the model knows", f"it knows {known}")
    return [Item(item.path, classes.index(listed.classes[item.label])) for item in listed.items]


def _from_lmdb(source: Path, preprocess: Preprocess) -> Iterator[tuple[Image, int]]:
    with LmdbReader(source) as reader:
        for key, value in reader.records():
            name = f"{source}: {key.decode(errors='replace')}"
            datum = parse_datum(value, name)
            yield preprocess.apply(datum_array(datum, name).transpose(1, 2, 0)), datum.label


def _from_files(
    listed: ImageList, items: Sequence[Item], preprocess: Preprocess
) -> Iterator[tuple[Image, int]]:
    for item in items:
        path = listed.file(item)
        with os_errors("reading", path):
            data = path.read_bytes()
        try:
            yield preprocess.apply(preprocess.read_image(data)), item.label
        except BadImage as error:
            raise DataError(f"{path}: {error}", "caffekit clean takes such images out") from error


def center(image: NDArray[T], side: Sequence[int]) -> NDArray[T]:
    """The middle of the image, where the net takes a smaller crop: Caffe's TEST phase does so."""
    top, left = (max(0, (image.shape[axis + 1] - side[axis]) // 2) for axis in (0, 1))
    return image[:, top : top + side[0], left : left + side[1]]


def measure(
    labels: NDArray[Any],
    scores: NDArray[np.float32],
    top: Sequence[int],
    classes: Sequence[str] = (),
    source: Path | str = "",
) -> dict[str, Any]:
    """Accuracies and the confusion matrix [true class][predicted class]. (n,) labels, (n, k) scores.

    As Caffe's Accuracy layer, a class that ties with the true one counts as better. A nan is never right.
    """
    count = scores.shape[1]
    if labels.max() >= count:
        raise DataError(f"{source}: label {labels.max()}, but the net has {count} outputs")
    clean = np.where(np.isnan(scores), -np.inf, scores)
    rows = np.arange(len(labels))
    rank = (clean >= clean[rows, labels, None]).sum(axis=1) - 1
    others = clean.copy()
    others[rows, labels] = -np.inf
    confusion = np.zeros((count, count), int)
    np.add.at(confusion, (labels, np.where(rank == 0, labels, others.argmax(axis=1))), 1)
    per_class = [
        {
            "class": classes[i] if i < len(classes) else str(i),
            "images": int(row.sum()),
            "accuracy": float(row[i] / row.sum()) if row.sum() else None,
            "precision": float(row[i] / confusion[:, i].sum()) if confusion[:, i].sum() else None,
        }
        for i, row in enumerate(confusion)
    ]
    return {
        "images": len(labels),
        **{f"top{k}": float((rank < k).mean()) for k in sorted({1, *top}) if k <= count},
        "per_class": per_class,
        "confusion": confusion.tolist(),
        "nonfinite": int((~np.isfinite(scores)).any(axis=1).sum()),
    }


def _report(result: dict[str, Any], model: Model, source: Path, out: Path | None, where: str) -> Report:
    summary = {"source": str(source), "weights": str(model.weights), "computed": where, **result}
    report = Report("evaluate", summary, _lines(result, source))
    if result["nonfinite"]:
        report.warnings.append(f"{result['nonfinite']} images have scores that are nan or infinite")
    if out:
        write_text(out / "evaluation.json", dumps(summary, indent=2) + "\n")
        write_text(out / "confusion.csv", _confusion_csv(result))
        report.lines.append(f"  confusion matrix in {out / 'confusion.csv'}")
    return report


def _lines(result: dict[str, Any], source: Path) -> list[str]:
    tops = ", ".join(f"{key} {result[key]:.2%}" for key in result if key.startswith("top"))
    lines = [f"{tops} on {result['images']} images of {source}"]
    measured = [each for each in result["per_class"] if each["images"]]
    worst = sorted(measured, key=lambda each: each["accuracy"])[:3]
    lines.append("  weakest: " + ", ".join(f"{each['class']} {each['accuracy']:.1%}" for each in worst))
    return lines


def _confusion_csv(result: dict[str, Any]) -> str:
    """Rows: true classes; columns: predicted ones."""
    names = [each["class"] for each in result["per_class"]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class", *names])
    for name, row in zip(names, result["confusion"], strict=True):
        writer.writerow([name, *row])
    return text.getvalue()
