"""Tiny LMDBs with their preprocessing contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffekit.formats.datum import image_datum
from caffekit.formats.lmdb_store import LmdbWriter
from caffekit.formats.preprocess import Preprocess, preprocess_path


def make_db(path: Path, images: int, *, channels: int = 1, side: int = 32, classes: int = 10) -> Path:
    """An LMDB of random images with labels 0 … classes-1 in turn."""
    random = np.random.default_rng(0)
    with LmdbWriter(path) as writer:
        for i in range(images):
            image = random.integers(0, 256, (side, side, channels), dtype=np.uint8)
            writer.put(b"%08d_x.png" % i, image_datum(image, i % classes).SerializeToString())
    return path


def make_training_db(
    path: Path, images: int, *, channels: int = 1, side: int = 32, classes: int = 10
) -> Path:
    """make_db, and the contract beside it: mean 100 per channel, scale 1/64."""
    make_db(path, images, channels=channels, side=side, classes=classes)
    Preprocess(
        channels=3 if channels == 3 else 1,
        color="bgr" if channels == 3 else "gray",
        width=side,
        height=side,
        mean_values=[100.0] * channels,
        std=[64.0] * channels,
        scale=1 / 64,
    ).write(preprocess_path(path))
    return path
