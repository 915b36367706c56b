"""Prototxt that BVLC's Caffe does not read: what is unknown is named, the rest is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.prototxt_tolerant import looks_like_solver, read_tolerant


def read(tmp_path: Path, text: str, kind: str = "NetParameter"):  # type: ignore[no-untyped-def]
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return read_tolerant(path, kind)


def test_what_bvlc_knows_has_nothing_unknown(tmp_path: Path) -> None:
    net, unknown = read(
        tmp_path, 'name: "a" # name: x\nlayer { name: "x" type: "ReLU" top: "a" "b" loss_weight: [1, 2] }'
    )
    assert (net.name, list(net.layer[0].top), list(net.layer[0].loss_weight)) == ("a", ["ab"], [1, 2])
    assert unknown == []


def test_unknown_fields_are_named_with_line_layer_and_fork(tmp_path: Path) -> None:
    text = """
layer { name: "one"
  bn_param { filler { value: 1 } lists: [1, 2] }
  convolution_param { num_outputs: 3 pad: 1 }
}
default_forward_type: FLOAT
layer { name: "two" permute_param { order: 0 } }
layer { name: "three" nonsense: "a" 'b' relu_param < negative_slope: 0.5 > }
"""
    net, unknown = read(tmp_path, text)
    assert [(one.line, one.layer, one.kept) for one in unknown] == [
        (3, "one", False), (4, "one", False), (6, "", False), (7, "two", True), (8, "three", False),
    ]  # fmt: skip
    assert "PSPNet" in unknown[0].forks[0] and "NVIDIA" in unknown[2].forks[0]
    assert (unknown[3].forks, unknown[4].forks) == (("ssd",), ())
    assert unknown[1].message == 'ConvolutionParameter has no field "num_outputs"; did you mean "num_output"?'
    assert [layer.name for layer in net.layer] == ["one", "two", "three"]
    assert list(net.layer[0].convolution_param.pad) == [1] and net.layer[2].relu_param.negative_slope == 0.5


def test_values_and_repetitions(tmp_path: Path) -> None:
    pooling = "pooling_param { pool: MAXX kernel_size: 2 kernel_size: 3 }"
    text = f'layer {{ name: "p" {pooling} }}\nlayers {{ type: CROP }}'
    net, unknown = read(tmp_path, text)
    assert [one.message for one in unknown] == [
        'pool has no value MAXX; did you mean "MAX"?',
        'PoolingParameter takes one "kernel_size", this is another',
        "type has no value CROP",
    ]
    assert "FCN" in unknown[2].forks[0] and net.layer[0].pooling_param.kernel_size == 2


def test_solvers(tmp_path: Path) -> None:
    solver, unknown = read(tmp_path, "base_lr: 0.1\nbase_lrr: 1\neval_type: 'x'\n", "SolverParameter")
    assert solver.base_lr == pytest.approx(0.1)
    assert [(one.line, one.forks) for one in unknown] == [(2, ()), (3, ("ssd",))]
    assert looks_like_solver("base_lr: 1 net_param { name: 'x' layer { name: 'y' } }")
    assert not looks_like_solver("name: 'x' layer { name: 'y' }") and not looks_like_solver("")


@pytest.mark.parametrize(
    "text", ["layer {", "layer { name: }", "}", "name: 'a", 'layer { name: "x" top: 3 }', "{{{"]
)
def test_what_is_no_prototxt_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError, match="net.prototxt:"):
        read(tmp_path, text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_tolerant(tmp_path / "no.prototxt")
