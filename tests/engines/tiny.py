"""A training that takes a second: 40 random images, one hidden layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.engines import Engine, Job, Outcome
from caffekit.formats.datum import image_datum
from caffekit.formats.lmdb_store import write_lmdb
from caffekit.formats.prototxt import read_solver

IMAGES, BATCH, CLASSES = 40, 6, 4

NET = """
name: "tiny"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.0078125 } data_param { source: "@db@" batch_size: 6 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.0078125 } data_param { source: "@db@" batch_size: 10 backend: LMDB } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 8 weight_filler { type: "xavier" } HIDDEN } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
SOLVER = {
    "test_iter": 4, "test_interval": 10, "base_lr": 0.02, "lr_policy": '"fixed"', "momentum": 0.9,
    "display": 1, "max_iter": 20, "snapshot": 10, "random_seed": 3,
}  # fmt: skip


def make(folder: Path, hidden: str = "", **solver: Any) -> Path:
    """DB, net and solver in `folder`; `solver` changes fields, None leaves them out. The solver's path."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "db"
    if not database.exists():
        random = np.random.default_rng(0)
        records = []
        for i in range(IMAGES):
            image = random.integers(0, 60, (5, 5, 1), dtype=np.uint8)
            image[i % CLASSES] += 150  # a bright row tells the class
            records.append((b"%08d_x" % i, image_datum(image, i % CLASSES).SerializeToString()))
        write_lmdb(database, records)
    (folder / "net.prototxt").write_text(NET.replace("@db@", str(database)).replace("HIDDEN", hidden))
    names = {"net": f'"{folder / "net.prototxt"}"', "snapshot_prefix": f'"{folder / "tiny"}"'}
    fields = {**names, **SOLVER, **solver}
    path = folder / "solver.prototxt"
    path.write_text("".join(f"{key}: {value}\n" for key, value in fields.items() if value is not None))
    return path


class Seen(list[dict[str, Any]]):
    """Events, and what is asked of them most."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self if event["event"] == kind]

    def losses(self) -> dict[int, float]:
        """The loss of each iteration that was displayed."""
        return {event["iter"]: float(event["loss"]) for event in self.of("display")}


def run(
    engine: Engine, solver: Path, say: Callable[[dict[str, Any]], str | None] = lambda event: None, **job: Any
) -> tuple[Outcome, Seen]:
    """Run a job; the outcome and the events. `say` answers events."""
    seen = Seen()

    def observe(event: dict[str, Any]) -> str | None:
        seen.append(event)
        return say(event)

    outcome = engine.run(Job(solver, read_solver(solver), **job), observe, solver.with_name("caffe.log"))
    return outcome, seen
