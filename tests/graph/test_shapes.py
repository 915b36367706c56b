"""Shape rules against real Caffe, and what they say of nets that cannot be built."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import NetParameter
from caffekit.formats.prototxt import parse
from caffekit.graph import SHAPE_RULES, infer_shapes
from caffekit.graph.counts import COUNTS
from caffekit.graph.rules_forks import OF_FORKS
from caffekit.graph.shapes import FROM_OUTSIDE, walk_shapes

CASES = json.loads((Path(__file__).parent / "cases.json").read_text())
"""Bottoms' shapes, tops and the layer's text of layers that Caffe builds."""
WRONG = json.loads((Path(__file__).parent / "wrong.json").read_text())
"""The same of layers that it does not, and the error."""


def net_text(bottoms: list[list[int]], tops: int, text: str) -> str:
    inputs = "".join(
        f'layer {{ name: "in{i}" type: "Input" top: "in{i}" input_param {{ shape {{'
        f" {' '.join(f'dim: {d}' for d in shape)} }} }} }}\n"
        for i, shape in enumerate(bottoms)
    )
    wires = [f'bottom: "in{i}"' for i in range(len(bottoms))] + [f'top: "out{i}"' for i in range(tops)]
    return f'{inputs}layer {{ name: "it" {" ".join(wires)} {text} }}\n'


def ours(bottoms: list[list[int]], tops: int, text: str) -> list[list[list[int]]]:
    *_, step = walk_shapes(parse(net_text(bottoms, tops, text), NetParameter(), "net"))
    return [[list(shape) for shape in step.tops], [list(shape) for shape in step.params]]


BUILD = """
import json, sys, caffe
out = []
for text, tops in json.load(open(sys.argv[1])):
    open(sys.argv[2], 'w').write(text)
    net = caffe.Net(sys.argv[2], caffe.TRAIN)
    params = net.params['it'] if 'it' in net.params else []
    shapes = [list(net.blobs['out%d' % i].data.shape) for i in range(tops)]
    out.append([shapes, [list(p.data.shape) for p in params]])
json.dump(out, open(sys.argv[3], 'w'))
"""


@pytest.mark.bvlc
def test_rules_are_real_caffes(bvlc: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("nets.json", "net.prototxt", "out.json")]
    files[0].write_text(json.dumps([[net_text(*case), case[1]] for case in CASES]))
    run = subprocess.run([bvlc, "-c", BUILD, *files], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    for case, theirs in zip(CASES, json.loads(files[2].read_text()), strict=True):
        assert ours(*case) == theirs, case


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[3][:60])
def test_what_does_not_fit_is_an_error_that_names_the_layer(case: list) -> None:
    *arguments, message = case
    with pytest.raises(FormatError) as caught:
        ours(*arguments)
    assert caught.value.message == f"layer 'it': {message}"


def test_every_type_is_covered_by_a_case() -> None:
    nets = [parse(f"layer {{ {text} }}", NetParameter(), "x") for *_, text in CASES]
    tried = {layer.type for net in nets for layer in net.layer}
    made_otherwise = {"Input", "Split", "MemoryData", "Silence"}
    assert set(SHAPE_RULES) - tried <= made_otherwise | set(OF_FORKS)
    assert set(COUNTS) <= set(SHAPE_RULES) | FROM_OUTSIDE
    assert not FROM_OUTSIDE & set(SHAPE_RULES)


def test_shapes_from_outside() -> None:
    text = 'layer { name: "d" type: "Data" top: "data" top: "label" }'
    text += 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"'
    text += " inner_product_param { num_output: 5 } }"
    net = parse(text, NetParameter(), "net")
    assert infer_shapes(net, {"data": (8, 3, 4, 4), "label": (8,)})["ip"] == (8, 5)
    with pytest.raises(FormatError, match="layer 'd': the shapes of its tops are not known"):
        infer_shapes(net)


def test_an_unknown_bottom() -> None:
    text = net_text([[1, 2]], 1, 'type: "ReLU"').replace('bottom: "in0"', 'bottom: "in"')
    with pytest.raises(FormatError, match=r"layer 'it': unknown bottom blob 'in' .*; did you mean 'in0'"):
        infer_shapes(parse(text, NetParameter(), "net"))


def test_in_place_is_fine_but_two_writers_are_not() -> None:
    text = net_text([[1, 2]], 1, 'type: "ReLU"')
    in_place = parse(text.replace("out0", "in0"), NetParameter(), "net")
    assert infer_shapes(in_place) == {"in0": (1, 2)}
    twice = parse(text + text.splitlines()[-1].replace('"it"', '"again"'), NetParameter(), "net")
    with pytest.raises(FormatError, match="layer 'again': its top 'out0' is the top of another layer, too"):
        infer_shapes(twice)


def test_memory_data_and_silence() -> None:
    text = 'layer { name: "m" type: "MemoryData" top: "x" top: "y"'
    text += " memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 } }"
    text += 'layer { name: "s" type: "Silence" bottom: "x" bottom: "y" }'
    assert infer_shapes(parse(text, NetParameter(), "net")) == {"x": (2, 3, 4, 5), "y": (2,)}
