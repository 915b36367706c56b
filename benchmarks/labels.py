"""What `clean` finds of wrong labels, on sets where they are known: CAFFEKIT_SHARED names the folder with them."""

from __future__ import annotations

import csv
import gzip
import io
import os
import resource
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from joblib.externals.loky import get_reusable_executor

from caffekit.config.schema import CleanSettings
from caffekit.options import Options
from caffekit.steps.clean import clean

TEXT = """## Suspect labels

What `clean` says of labels that are known to be wrong. Rejected: as `suspect-label`. Ranking: the order of
review.csv, by average precision (1: all wrong labels first, by chance the share of wrong ones), and the precision
among as many of the first as labels are wrong. Flips are to a random other class; CIFAR-10N's labels are people's.
The thresholds were chosen on these sets, but for MNIST's own errors: on others precision may be lower.

| set | images | wrong | judged by | rejected | precision | recall | ranking | among the first | CPU s |
|---|---|---|---|---|---|---|---|---|---|
{rows}
{notes}"""

SHARED = Path(os.environ.get("CAFFEKIT_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


class Known(NamedTuple):
    """Images (BGR), the labels they are given, and the right ones."""

    images: np.ndarray
    given: np.ndarray
    right: np.ndarray


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The test images, and their labels as published."""
    arrays = []
    for name, offset in (("images", 16), ("labels", 8)):
        with gzip.open(next((SHARED / "mnist").glob(f"t10k-{name}*"))) as file:
            arrays.append(np.frombuffer(file.read(), np.uint8, offset=offset))
    images = np.repeat(arrays[0].reshape(-1, 28, 28, 1), 3, 3)
    return images, arrays[1].astype(np.int64)


def mnist_errors() -> Known:
    """MNIST's own: of 100 candidates, people gave 10 another label."""
    images, labels = mnist()
    right = labels.copy()
    with open(SHARED / "label_errors/dev_mnist_test/human_review.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["verdict"] == "correctable_to_guess":
                right[int(row["test_index"])] = int(row["guessed_label"])
    return Known(images, labels, right)


def cifar(column: str = "label") -> Known:
    """The part of CIFAR-10 that is there; column: of CIFAR-10N's labels."""
    with zipfile.ZipFile(SHARED / "cifar10/cifar10_dev_png.zip") as archive:
        index = next(name for name in archive.namelist() if name.endswith("index.csv"))
        rows = [row for row in csv.DictReader(io.StringIO(archive.read(index).decode())) if row[column]]
        files = [np.frombuffer(archive.read(row["path"]), np.uint8) for row in rows]
    given, right = (np.array([int(row[name]) for row in rows]) for name in (column, "label"))
    return Known(np.array([cv2.imdecode(file, 1) for file in files]), given, right)


def faces() -> Known:
    """400 portraits of 40 people."""
    files = sorted((SHARED / "faces/att-faces-40x10").glob("s*/*"))
    people = sorted({path.parent.name for path in files})
    labels = np.array([people.index(path.parent.name) for path in files])
    return Known(np.array([cv2.imread(str(path)) for path in files]), labels, labels)


def flipped(known: Known, share: float) -> Known:
    """With so many labels flipped to another class."""
    random, right = np.random.default_rng(1), known.right
    given, some = right.copy(), random.permutation(len(right))[: round(share * len(right))]
    classes = right.max() + 1
    given[some] = (right[some] + random.integers(1, classes, len(some))) % classes
    return Known(known.images, given, right)


def some_digits() -> Known:
    """3,000 of MNIST's test images."""
    images, labels = mnist()
    return Known(images[:3000], labels[:3000], labels[:3000])


SETS: dict[str, tuple[Callable[[], Known], tuple[str, ...]]] = {
    "MNIST, 2 % flipped": (lambda: flipped(some_digits(), 0.02), ("edges", "features")),
    "MNIST, 10 % flipped": (lambda: flipped(some_digits(), 0.1), ("edges", "features")),
    "MNIST's own errors": (mnist_errors, ("edges", "features")),
    "faces, 10 % flipped": (lambda: flipped(faces(), 0.1), ("net",)),
    "CIFAR-10, 10 % flipped": (lambda: flipped(cifar(), 0.1), ("net",)),
    "CIFAR-10N aggregate": (lambda: cifar("aggre_label"), ("net",)),
    "CIFAR-10, 2 % flipped": (lambda: flipped(cifar(), 0.02), ("net",)),
    "CIFAR-10N worse": (lambda: cifar("worse_label"), ("net",)),
}


def measure(known: Known, by: str) -> dict[str, Any]:
    """Run `clean` on the set and compare with the right labels."""
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        names = [f"{i:05d}.png" for i in range(len(known.given))]
        for name, image in zip(names, known.images, strict=True):
            cv2.imwrite(str(folder / name), image)
        (folder / "list.txt").write_text(
            "".join(f"{name} {label}\n" for name, label in zip(names, known.given, strict=True))
        )
        settings = CleanSettings(checks=["suspect-label"], labels_by="auto" if by == "features" else by)
        if by == "features":  # the pixels are good enough ones for digits
            np.save(folder / "features.npy", known.images[..., 0].reshape(len(names), -1))
            settings = settings.model_copy(update={"features": folder / "features.npy"})
        start = cpu()
        report = clean(folder / "list.txt", folder / "out", settings, Options())
        seconds = cpu() - start
        with open(folder / "out/review.csv", newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: float(row["score"]))
    wrong = known.given != known.right
    hits = np.array([wrong[int(row["path"][:5])] for row in rows])
    rejected = np.array([bool(row["reason"]) for row in rows])
    return {"agreement": report.summary["label_agreement"], "seconds": seconds, **scores(hits, rejected)}


def scores(hits: np.ndarray, rejected: np.ndarray) -> dict[str, Any]:
    """hits: whether each label is wrong, by rank."""
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return {
        "images": len(hits),
        "wrong": int(hits.sum()),
        "rejected": int(rejected.sum()),
        "precision": float(hits[rejected].mean()) if rejected.any() else float("nan"),
        "recall": float(rejected[hits].mean()),
        "ranking": float(precision[hits].mean()),
        "first": float(precision[hits.sum() - 1]),
    }


def cpu() -> float:
    """CPU seconds of this process and its children, which must have ended to count."""
    get_reusable_executor().shutdown(wait=True)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def rows() -> Iterator[str]:
    """A line of the table for each set and judge."""
    for name, (load, judges) in SETS.items():
        known = load()
        for by in judges:
            of = measure(known, by)
            line = (
                f"| {name} | {of['images']} | {of['wrong']} | {by} ({of['agreement']:.0%}) | {of['rejected']} |"
                f" {of['precision']:.2f} | {of['recall']:.2f} | {of['ranking']:.2f} | {of['first']:.2f} |"
                f" {of['seconds']:.0f} |"
            )
            line = line.replace(" nan ", " – ")  # nothing was rejected
            print(line, flush=True)
            yield line


def section(rounds: int, seconds: float) -> str:
    """What `scripts/bench` writes into the page; the numbers do not change from round to round."""
    needed = ("mnist", "cifar10", "faces", "label_errors")
    missing = [name for name in needed if not (SHARED / name).is_dir()]
    if missing:
        return f"## Suspect labels\n\nNot measured here: no {', '.join(missing)} (CAFFEKIT_SHARED)."
    notes = (
        "\nJudged by: edges of thumbnails, small nets that learn from them, or features (here the pixels) with"
        "\nneighbours and regressions; in brackets how many of the given labels the judge agrees with."
    )
    return TEXT.format(rows="\n".join(rows()), notes=notes)
