"""Whole nets of BVLC's models/ and examples/, and single layers, against what real Caffe built of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from caffekit.formats.caffe_pb2 import TEST, TRAIN, NetParameter
from caffekit.formats.prototxt import parse
from caffekit.formats.upgrade import upgrade_net
from caffekit.graph import filter_net, insert_splits
from caffekit.graph.shapes import FROM_OUTSIDE, Step, walk_shapes

Net = dict[str, Any]


def built(text: str, phase: int, inputs: dict[str, tuple[int, ...]] | None = None) -> list[Step]:
    """The layers that Caffe would set up for `text`."""
    net = upgrade_net(parse(text, NetParameter(), "net"), "net")
    return list(walk_shapes(insert_splits(filter_net(net, phase)), inputs))


def shapes_of(steps: list[Step]) -> dict[str, list[int]]:
    return {top: list(shape) for step in steps for top, shape in zip(step.layer.top, step.tops, strict=False)}


def tops_of(step: Step) -> list[str]:
    """A loss without a top is given one under this name when the net is built."""
    return list(step.layer.top) or ["(automatic)"] * len(step.tops)


def test_bvlc_nets_have_caffes_names_and_shapes(shared: Path) -> None:
    golden = json.loads((shared / "tools" / "golden" / "structure.json").read_text())
    texts: Net = golden["texts"]
    checked = 0
    for name, wanted in golden["nets"].items():
        path, _, phase = name.rpartition("@")
        if path not in texts:
            continue
        checked += 1
        steps = built(texts[path], TRAIN if phase == "TRAIN" else TEST)
        assert [[step.layer.name, step.layer.type] for step in steps] == wanted["layers"], name
        # pycaffe keeps these by the layer's name: of two layers of one name, the last is seen.
        assert {step.layer.name: tops_of(step) for step in steps} == dict(wanted["top_names"]), name
        assert {s.layer.name: list(s.layer.bottom) for s in steps} == dict(wanted["bottom_names"]), name
        assert shapes_of(steps) == {k: v for k, v in wanted["blobs"] if k != "(automatic)"}, name
        params = [[s.layer.name, [list(shape) for shape in s.params]] for s in steps if s.params]
        assert params == wanted["params"], name
    assert checked >= 30


def test_layer_cases_have_caffes_shapes(shared: Path) -> None:
    """Every layer case recorded from real Caffe: tops and parameters, from the inputs' shapes."""
    checked = 0
    for path in sorted((shared / "tools" / "golden" / "layers").glob("*.npz")):
        # A Filter's tops have the full batch until the first forward, which these have behind them.
        if not path.stem.startswith("filter_"):
            with np.load(path) as case:
                checked += _check_case(path.name, case)
    assert checked >= 150


def _check_case(name: str, case: Mapping[str, Any]) -> bool:
    """Whether the case could be checked: data layers' shapes come from their data."""
    meta = json.loads(str(case["meta"]))
    net = upgrade_net(parse(meta["prototxt"], NetParameter(), name), name)
    if any(layer.type in FROM_OUTSIDE for layer in net.layer):
        return False
    steps = built(meta["prototxt"], TRAIN if meta["phase"] in ("TRAIN", 0) else TEST)
    shapes = shapes_of(steps)
    for key, array in case.items():
        kind, *rest = key.split("/")
        if key.startswith(("s0/in/", "s0/out/")):
            assert shapes["/".join(rest[1:])] == list(array.shape), (name, key)
        elif kind == "param":
            owner = next(step for step in steps if step.layer.name == "/".join(rest[:-1]))
            assert owner.params[int(rest[-1])] == array.shape, (name, key)
    return True
