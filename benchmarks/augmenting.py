"""Images per second of processor time through lists of transforms: run by each rival's own interpreter.

augmenting.py {caffekit|albumentations} FOLDER LIST {array|file} SECONDS     prints one number
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIDE = 224
IMAGES = 64

# What caffekit is asked for, and the same in albumentations' words.
LISTS: dict[str, dict[str, Any]] = {
    "crop, rotate, flip, color": {"crop": (0.8, 1.0), "rotate": 15.0, "flip": True, "color": 0.2},
    "scale, rotate, shear": {"scale": (0.9, 1.1), "rotate": 15.0, "shear": 10.0},
    "flip, color": {"flip": True, "color": 0.2},
    "crop, flip, noise, erase": {"crop": (0.8, 1.0), "flip": True, "noise": 10.0, "erase": 0.5},
    "all but jpeg": {
        "crop": (0.8, 1.0), "scale": (0.9, 1.1), "rotate": 15.0, "shear": 10.0, "flip": True,
        "color": 0.2, "blur": 1.0, "noise": 10.0, "erase": 0.5,
    },
    "all": {
        "crop": (0.8, 1.0), "scale": (0.9, 1.1), "rotate": 15.0, "shear": 10.0, "flip": True,
        "color": 0.2, "blur": 1.0, "noise": 10.0, "erase": 0.5, "jpeg": (60, 95),
    },
}  # fmt: skip


def caffekit(changes: dict[str, Any]) -> Callable[[Any], Any]:
    """`changes` as caffekit makes them."""
    from caffekit.memory import keep_pages
    from caffekit.transforms import augment_image, random_for

    keep_pages()  # as `caffekit augment` does
    numbers = itertools.count()
    return lambda image: augment_image(image, random_for(0, "a.jpg", next(numbers)), changes)


def albumentations(changes: dict[str, Any]) -> Callable[[Any], Any]:
    """`changes` in albumentations' words: bilinear, the border repeated, always applied but flip and erase."""
    import albumentations as A

    def affine(**what: Any) -> Any:
        return A.Affine(**what, border_mode=cv2.BORDER_REPLICATE, interpolation=cv2.INTER_LINEAR, p=1)

    words: dict[str, Callable[[Any], Any]] = {
        "crop": lambda v: A.RandomResizedCrop(
            (SIDE, SIDE), scale=(v[0] ** 2, v[1] ** 2), ratio=(1.0, 1.0), interpolation=cv2.INTER_LINEAR, p=1
        ),
        "affine": lambda v: affine(**v),
        "flip": lambda v: A.HorizontalFlip(p=0.5),
        "color": lambda v: A.ColorJitter((1 - v, 1 + v), (1 - v, 1 + v), (1 - v, 1 + v), (0, 0), p=1),
        "blur": lambda v: A.GaussianBlur(blur_limit=0, sigma_limit=(0, v), p=1),
        "noise": lambda v: A.GaussNoise(std_range=(0, v / 255), p=1),
        "erase": lambda v: A.Erasing(scale=(0.02, 0.2), ratio=(1 / 3, 3), fill="random_uniform", p=v),
        "jpeg": lambda v: A.ImageCompression(quality_range=v, p=1),
    }
    # Scale, rotation and shear are one warp there, too: its Affine takes them together.
    warp = {
        "scale": lambda v: {"scale": v},
        "rotate": lambda v: {"rotate": (-v, v)},
        "shear": lambda v: {"shear": {"x": (-v, v), "y": (0, 0)}},
    }
    merged: dict[str, Any] = {}
    for name, value in changes.items():
        if name in warp:
            merged.setdefault("affine", {}).update(warp[name](value))
        else:
            merged[name] = value
    chain = A.Compose([words[name](value) for name, value in merged.items()], seed=0)
    return lambda image: chain(image=image)["image"]


def through_files(change: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    """`change` between the bytes of JPEG files."""

    def work(data: bytes) -> Any:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return cv2.imencode(".jpg", change(image))[1]

    return work


def main() -> int:
    """Measure, and print."""
    rival, folder, what, kind, seconds = sys.argv[1:]
    cv2.setNumThreads(1)
    files = sorted(Path(folder).rglob("*.jpg"))
    images: list[Any] = [
        cv2.resize(cv2.imread(str(path)), (SIDE, SIDE)) for path in files[:: len(files) // IMAGES][:IMAGES]
    ]
    work = {"caffekit": caffekit, "albumentations": albumentations}[rival](LISTS[what])
    if kind == "file":
        images = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
        work = through_files(work)
    for image in images[:16]:
        work(image)
    done, start = 0, time.process_time()
    while time.process_time() - start < float(seconds):
        for image in images:
            work(image)
        done += len(images)
    print(done / (time.process_time() - start))
    return 0


if __name__ == "__main__":
    sys.exit(main())
