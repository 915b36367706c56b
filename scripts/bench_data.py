"""Does the data path keep up? CaffeNet trained from an LMDB of JPEG records against the same on synthetic data.

bench_data.py [STEPS]     prints one line of JSON

{"synthetic": images/s, "lmdb": images/s, "ratio": lmdb / synthetic, "loading": images/s of the data path alone}
Speeds are from medians of the iterations; the two trainings take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bench_nets
import cv2
import numpy as np

RECORDS, SIDE, TURN = 256, 256, 4
DATA = """layer {{ name: "data" type: "Data" top: "data" top: "label"
  transform_param {{ crop_size: 227 mirror: true mean_file: "{folder}/mean.binaryproto" }}
  data_param {{ source: "{folder}/db" batch_size: {batch} backend: LMDB }} }}
"""


def make_data(folder: Path) -> None:
    """An LMDB of 256×256 JPEG records and its mean file."""
    from caffekit.formats.binaryproto import write_mean
    from caffekit.formats.datum import encoded_datum
    from caffekit.formats.images import encode
    from caffekit.formats.lmdb_store import write_lmdb

    random = np.random.RandomState(0)
    records = []
    for i in range(RECORDS):
        rough = random.randint(0, 256, (SIDE // 8, SIDE // 8, 3)).astype(np.uint8)
        image = cv2.resize(rough, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        noise = random.randint(0, 16, image.shape).astype(np.uint8)
        datum = encoded_datum(encode(cv2.add(image, noise), "jpg", 90), i % 1000)
        records.append((b"%08d" % i, datum.SerializeToString()))
    write_lmdb(folder / "db", records)
    write_mean(folder / "mean.binaryproto", np.full((3, SIDE, SIDE), 120, np.float32))


def solver(folder: Path, name: str, net: str) -> Callable[[], object]:
    """A function that trains one iteration of `net`."""
    import caffekit.pycaffe as caffe

    (folder / f"{name}.prototxt").write_text(net)
    path = folder / f"{name}_solver.prototxt"
    path.write_text(bench_nets.SOLVER.format(net=folder / f"{name}.prototxt"))
    made = caffe.SGDSolver(str(path))
    if "input_param" in net:
        random = np.random.RandomState(0)
        made.net.blobs["data"].data[...] = random.uniform(-120, 120, made.net.blobs["data"].shape)
        made.net.blobs["label"].data[...] = random.randint(0, 1000, made.net.blobs["label"].shape)
    return lambda: made.step(1)


def loading(folder: Path, data: str, batch: int, seconds: float = 3) -> float:
    """Images/s of the data layer when nothing else runs."""
    import caffekit.pycaffe as caffe

    (folder / "data.prototxt").write_text(data)
    net = caffe.Net(str(folder / "data.prototxt"), caffe.TRAIN)
    for _ in range(8):
        net._forward(0, 0)
    start, count = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        net._forward(0, 0)
        count += batch
    return count / (time.monotonic() - start)


def measure(name: str = "caffenet", steps: int = 40) -> dict[str, float]:
    """The speeds with `steps` iterations each."""
    batch = bench_nets.NETS[name]
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        make_data(folder)
        text = bench_nets.prototxt(name)
        data = DATA.format(folder=folder, batch=batch)
        alone = loading(folder, data, batch)
        layers = [line for line in text.splitlines() if 'type: "Input"' not in line]
        trainings = {
            "synthetic": solver(folder, "synthetic", text),
            "lmdb": solver(folder, "lmdb", data + "\n".join(layers)),
        }
        times: dict[str, list[float]] = {kind: [] for kind in trainings}
        for _ in range(0, steps + TURN, TURN):
            for kind, step in trainings.items():
                for _ in range(TURN):
                    before = time.monotonic()
                    step()
                    times[kind].append(time.monotonic() - before)
        speeds = {kind: batch / statistics.median(each[TURN:]) for kind, each in times.items()}
    return {**speeds, "ratio": speeds["lmdb"] / speeds["synthetic"], "loading": alone}


def main() -> None:
    """Measure and print."""
    print(json.dumps(measure(steps=int(sys.argv[1]) if len(sys.argv) > 1 else 40)))


if __name__ == "__main__":
    main()
