"""The files that the cases in tests/cases/data read: images, lists, windows, HDF5 files and LMDBs.

    python -m tests.pycaffe.data_inputs FOLDER

writes them, always the same, so that real Caffe can record from them (data_case.py).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from caffekit.formats.binaryproto import write_mean
from caffekit.formats.datum import encoded_datum, image_datum
from caffekit.formats.images import encode
from caffekit.formats.lmdb_store import write_lmdb

IMAGES = 7
SIZE = (12, 10)  # height, width


def make_inputs(folder: Path) -> None:
    """Write all inputs into `folder`."""
    random = np.random.RandomState(3)
    images = [smooth(random, *SIZE) for _ in range(IMAGES)]
    larger = [smooth(random, SIZE[0] + i, SIZE[1] + 2 * i) for i in range(IMAGES)]
    _image_files(folder, images, larger)
    _databases(folder, images, larger)
    _windows(folder, random, larger)
    for i, rows in enumerate((4, 3, 5)):
        with h5py.File(folder / f"{i}.h5", "w") as file:
            file["data"] = random.uniform(-1, 1, (rows, 2, 3)).astype(np.float32)
            file["label"] = 100 * i + np.arange(rows, dtype=np.float64)
            file["weight"] = random.randint(-5, 5, (rows, 1))
    (folder / "one.txt").write_text("2.h5\n")
    (folder / "three.txt").write_text("0.h5\n1.h5 2.h5\n")
    write_mean(folder / "mean.binaryproto", random.uniform(0, 255, (3, *SIZE)).astype(np.float32))


def smooth(random: Any, height: int, width: int) -> Any:
    """A colour image with structure, such as JPEG keeps."""
    rows, columns = np.mgrid[0:height, 0:width]
    phases = random.uniform(0, 6, (3, 2))
    waves = [np.sin(rows / 2 + a) * np.cos(columns / 3 + b) for a, b in phases]
    noise = random.uniform(-9, 9, (height, width, 3))
    return (np.stack(waves, -1) * 110 + 128 + noise).clip(0, 255).astype(np.uint8)


def _image_files(folder: Path, images: list[Any], larger: list[Any]) -> None:
    (folder / "im").mkdir()
    for i in range(IMAGES):
        (folder / "im" / f"same {i}.png").write_bytes(encode(images[i], "png"))
        (folder / "im" / f"any{i}.jpg").write_bytes(encode(larger[i], "jpg", 90))
    (folder / "same.txt").write_text("".join(f"same {i}.png {i}\n" for i in range(IMAGES)))
    (folder / "any.txt").write_text("".join(f"im/any{i}.jpg {10 + i}\n" for i in range(IMAGES)))


def _databases(folder: Path, images: list[Any], larger: list[Any]) -> None:
    keys = [b"%08d" % i for i in range(IMAGES)]
    grays = [image[:, :, :1] for image in images]
    databases = {
        "raw": [image_datum(image, i) for i, image in enumerate(images)],
        "jpeg": [encoded_datum(encode(image, "jpg", 90), i) for i, image in enumerate(images)],
        "any_jpeg": [encoded_datum(encode(image, "jpg", 90), -i) for i, image in enumerate(larger)],
        "gray_png": [encoded_datum(encode(image, "png"), i) for i, image in enumerate(grays)],
    }
    for name, datums in databases.items():
        values = [datum.SerializeToString() for datum in datums]
        write_lmdb(folder / name, zip(keys, values, strict=True))


def _windows(folder: Path, random: Any, images: list[Any]) -> None:
    lines = []
    for i, image in enumerate(images):
        height, width = image.shape[:2]
        lines += [f"# {i}", f"im/any{i}.jpg", "3", str(height), str(width), "6"]
        for overlap in (1, 0.7, 0.5, 0.4, 0.1, 0):
            x1, y1 = random.randint(0, width - 4), random.randint(0, height - 4)
            x2, y2 = random.randint(x1 + 1, width), random.randint(y1 + 1, height)
            lines.append(f"{random.randint(1, 5)} {overlap} {x1} {y1} {x2} {y2}")
    (folder / "windows.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    make_inputs(Path(sys.argv[1]))
