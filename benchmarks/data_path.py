"""Does the data path keep up? A net trained from an LMDB against the same net trained on synthetic data.

data_path.py [NET [STEPS]]     NET: a name in nets (caffenet); prints one line of JSON

{"synthetic": images/s, "lmdb": images/s, "ratio": lmdb / synthetic, "cpu_ratio": the same of processor time,
"loading": images/s of the data path alone}
The two trainings take turns, so that a busy machine slows both; figures are medians over the pairs of turns.
Large images are JPEG records of 256×256 pixels with crop, mirror and mean, small ones raw records with a scale.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import nets
import numpy as np

RECORDS, SIDE, TURN = 256, 256, 4
SMALL = 64
TRANSFORM = {
    True: "scale: 0.00390625",
    False: 'crop_size: {crop} mirror: true mean_file: "{folder}/mean.binaryproto"',
}
DATA = """layer {{ name: "data" type: "Data" top: "data" top: "label" transform_param {{ {transform} }}
  data_param {{ source: "{folder}/db" batch_size: {batch} backend: LMDB }} }}
"""


def make_data(folder: Path, name: str) -> str:
    """An LMDB and a mean file for net `name`, and the prototxt of the layer that reads them."""
    from caffekit.formats.binaryproto import write_mean
    from caffekit.formats.datum import encoded_datum, image_datum
    from caffekit.formats.images import encode
    from caffekit.formats.lmdb_store import write_lmdb

    channels, crop, _ = nets.shape(name)
    small = crop < SMALL
    side = crop if small else SIDE
    random, records = np.random.RandomState(0), []
    for i in range(RECORDS):
        rough = random.randint(0, 256, (side // 4, side // 4, channels)).astype(np.uint8)
        image = cv2.resize(rough, (side, side), interpolation=cv2.INTER_CUBIC).reshape(side, side, channels)
        label = i % nets.CLASSES.get(name, 1000)
        datum = image_datum(image, label) if small else encoded_datum(encode(image, "jpg", 90), label)
        records.append((b"%08d" % i, datum.SerializeToString()))
    write_lmdb(folder / "db", records)
    write_mean(folder / "mean.binaryproto", np.full((channels, side, side), 120, np.float32))
    transform = TRANSFORM[small].format(crop=crop, folder=folder)
    return DATA.format(transform=transform, folder=folder, batch=nets.NETS[name])


def solver(folder: Path, kind: str, net: str, classes: int) -> Callable[[], object]:
    """A function that trains one iteration of `net`; Input layers hold random numbers."""
    import caffekit.pycaffe as caffe

    (folder / f"{kind}.prototxt").write_text(net)
    path = folder / f"{kind}_solver.prototxt"
    path.write_text(nets.SOLVER.format(net=folder / f"{kind}.prototxt"))
    made = caffe.SGDSolver(str(path))
    if "input_param" in net:
        random, blobs = np.random.RandomState(0), made.net.blobs
        blobs["data"].data[...] = random.uniform(-1, 1, blobs["data"].shape)
        blobs["label"].data[...] = random.randint(0, classes, blobs["label"].shape)
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
    """The speeds and ratios with `steps` iterations of each training."""
    batch, classes = nets.NETS[name], nets.CLASSES.get(name, 1000)
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        data, text = make_data(folder, name), nets.prototxt(name)
        alone = loading(folder, data, batch)
        rest = "\n".join(line for line in text.splitlines() if 'type: "Input"' not in line)
        texts = {"synthetic": text, "lmdb": data + rest}
        trainings = {kind: solver(folder, kind, net, classes) for kind, net in texts.items()}
        turns = [
            {kind: turn(step) for kind, step in trainings.items()} for _ in range(0, steps + TURN, TURN)
        ][1:]
    speeds = {kind: batch / statistics.median(turn[kind][0] for turn in turns) for kind in trainings}
    ratio, cpu = (statistics.median(turn["synthetic"][i] / turn["lmdb"][i] for turn in turns) for i in (0, 1))
    return {**speeds, "ratio": ratio, "cpu_ratio": cpu, "loading": alone}


def turn(step: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of processor time, of an iteration; the mean of several after one that warms up."""
    step()
    before, cpu = time.monotonic(), time.process_time()
    for _ in range(TURN):
        step()
    return (time.monotonic() - before) / TURN, (time.process_time() - cpu) / TURN


def main() -> None:
    """Measure and print."""
    name, steps = (*sys.argv[1:], *["caffenet", "40"][len(sys.argv) - 1 :])[:2]
    print(json.dumps(measure(name, int(steps))))


if __name__ == "__main__":
    main()
