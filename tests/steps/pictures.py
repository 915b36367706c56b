"""Little folders of real image files for the data steps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def make_folder(root: Path, counts: dict[str, int], side: int = 40) -> Path:
    """Class folders with that many different images each; a class is recognised by its brightness."""
    random = np.random.default_rng(0)
    for k, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            image = random.integers(20 * k, 20 * k + 100, (side, side, 3)).astype(np.uint8)
            cv2.imwrite(str(root / name / f"{i:03d}.png"), image)
    return root


def lines(path: Path) -> list[str]:
    """The lines of a list."""
    return path.read_text().splitlines()
