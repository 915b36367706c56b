"""Prototxt: what is read, what is said of what cannot be, and how it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.errors import CaffekitError, DataError, FormatError
from caffekit.formats.caffe_pb2 import TRAIN, LayerParameter, NetParameter, SolverParameter
from caffekit.formats.prototxt import layer_lines, parse, read_net, read_solver, to_text, write_prototxt

LENET = """\
name: "LeNet"
layer {
  name: "data"
  type: "Input"
  top: "data"
  input_param {
    shape { dim: 64 dim: 1 dim: 28 dim: 28 }
  }
}
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  param {
    lr_mult: 1
  }
  param {
    lr_mult: 2
    decay_mult: 0
  }
  include {
    phase: TRAIN
  }
  convolution_param {
    num_output: 20
    bias_term: false
    kernel_size: 5
    weight_filler {
      type: "xavier"
      std: 1e-05
    }
  }
}
"""

ERRORS = {
    'layer { num_output: 3 }': 'F:1:9: LayerParameter has no field "num_output"',
    'name: "a"\nlayer {\n  convolution_param { num_outputs: 3 }\n}':
        'F:3:23: ConvolutionParameter has no field "num_outputs"; did you mean "num_output"?',
    'nme: "a"': 'F:1:1: NetParameter has no field "nme"; did you mean "name"?',
    'layer { name: "a"\n name: "b" }': 'F:2:8: LayerParameter has more than one "name"; it takes one',
    "layer { pooling_param { pool: AVG } }": 'F:1:31: PoolMethod has no value "AVG"; did you mean "AVE"?',
    "layer { pooling_param { pool: max } }": 'F:1:31: PoolMethod has no value "max"; did you mean "MAX"?',
    "layer { phase: 7 }": 'F:1:16: Phase has no value "7"; it takes TRAIN TEST',
    'layer {\n name: "a"\n\nlayer {\n name: "b"\n}\n':
        'F:4:1: the "{" of the layer in line 1 is not closed before this layer',
    'layer {\n name: "{" # {\n':
        'F:2:1: the file ends, but the "{" of the layer in line 1 is not closed',
    'layer { name: "a" } }': 'F:1:21: a "}" that closes nothing',
    'layer { name: a }': "F:1:15: expected string but found: 'a'",
    'name: "abc\nlayer { }': 'F:1:7: string missing ending quote: \'"abc\'',
    "layer { convolution_param { num_output: -1 } }": "F:1:41: value out of range: -1",
    "layer { loss_weight: x }": "F:1:22: couldn't parse float: x",
    'layer { name "a" }': 'F:1:14: expected ":"',
}


@pytest.mark.parametrize("text", ERRORS, ids=range(len(ERRORS)))
def test_an_error_is_one_line_with_its_place(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(text, NetParameter(), "F")
    assert caught.value.message == ERRORS[text]


def test_text_is_printed_as_it_is_written() -> None:
    assert to_text(parse(LENET, NetParameter(), "F")) == LENET


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1, "1"),
        (1e-5, "1e-05"),
        (0.00390625, "0.00390625"),
        (104.00698793, "104.00699"),
        (1 / 3, "0.33333334"),
        (16777216, "16777216"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (-0.5, "-0.5"),
    ],
)
def test_floats_are_as_short_as_they_read_back(value: float, text: str) -> None:
    solver = SolverParameter(base_lr=value)
    written = to_text(solver)
    assert written == f"base_lr: {text}\n"
    assert parse(written, SolverParameter(), "F").SerializeToString() == solver.SerializeToString()


def test_strings_keep_quotes_escapes_and_chinese() -> None:
    net = NetParameter(name='路径 "a"\\b\n')
    text = to_text(net)
    assert "路径" in text
    assert text.count("\n") == 1
    assert parse(text, NetParameter(), "F") == net


def test_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(b"\xef\xbb\xbf" + LENET.replace("\n", "\r\n").encode())
    assert read_net(path) == parse(LENET, NetParameter(), "F")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'name: "a"\nname\xff: 3', r"net.prototxt:2: not UTF-8 text"),
        (b"\0\1\2", "net.prototxt: a binary file"),
        (b"layer { num: 1 }", 'net.prototxt:1:9: LayerParameter has no field "num"'),
    ],
)
def test_files_that_are_no_prototxt(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_net(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no.prototxt"):
        read_net(tmp_path / "no.prototxt")
    with pytest.raises(CaffekitError, match="reading"):
        read_net(tmp_path)


def test_writing_puts_the_header_first(tmp_path: Path) -> None:
    path = tmp_path / "new" / "net.prototxt"
    write_prototxt(path, NetParameter(name="a"), "# made by a test\n")
    assert path.read_text() == '# made by a test\nname: "a"\n'
    assert read_net(path).name == "a"


def test_lines_of_layers_survive_comments_strings_and_errors() -> None:
    text = '# layer { name: "no" }\nlayer {\n  type: "{"\n  name: "a"  param { name: "w" }\n}\n'
    text += "layer { name: 'b' "
    assert layer_lines(text) == {"a": 2, "b": 6}
    assert layer_lines(LENET) == {"data": 2, "conv1": 10}
    assert layer_lines('layer { name: "a" }\nlayer { name: "a" }') == {"a": 1}


def test_solver(tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text('net: "n"\nbase_lr: .01 # comment\nsolver_mode: CPU\nsnapshot_format: HDF5\n')
    solver = read_solver(path)
    assert (solver.net, solver.type, solver.display) == ("n", "SGD", 0)
    assert solver.base_lr == pytest.approx(0.01)


def test_an_unknown_field_may_be_a_forks() -> None:
    net = parse("layer { center_loss_param { num_output: 3 } }", NetParameter(), "F")
    assert net.layer[0].center_loss_param.num_output == 3
    assert net.layer[0].DESCRIPTOR is not LayerParameter.DESCRIPTOR
    assert parse("layer { swish_param { beta: 2 } }", NetParameter(), "F").layer[0].swish_param.beta == 2


def test_fields_of_two_forks_are_not_mixed() -> None:
    with pytest.raises(FormatError, match='no field "flip_param"') as caught:
        parse("layer { flip_param { } multibox_loss_param { } }", NetParameter(), "F")
    assert caught.value.hint == (
        "flip_param is a field of the Caffe fork happynear; as its file:"
        ' 1:24: LayerParameter has no field "multibox_loss_param"; did you mean "triplet_loss_param"?'
    )


def test_a_field_of_several_forks_is_the_smallest_ones() -> None:
    """caffe-face has less of its own than happynear's caffe-windows; with a field of that one it is that."""
    numbers = []
    for more in ("", "flip_param { }"):
        net = parse(f"layer {{ center_loss_param {{ num_output: 3 }} {more} }}", NetParameter(), "F")
        assert net.layer[0].center_loss_param.num_output == 3
        numbers.append(net.layer[0].DESCRIPTOR.fields_by_name["center_loss_param"].number)
    assert numbers == [147, 211]


def test_an_old_deploy_files_input_becomes_a_layer(tmp_path: Path) -> None:
    path = tmp_path / "deploy.prototxt"
    path.write_text('layer { name: "a" } input: "data" input: "x" input_dim: [1,3,4,5, 2,3,4,5]')
    net = read_net(path)
    assert [(layer.name, layer.type, list(layer.top)) for layer in net.layer] == [
        ("input", "Input", ["data", "x"]),
        ("a", "", []),
    ]
    assert [list(shape.dim) for shape in net.layer[0].input_param.shape] == [[1, 3, 4, 5], [2, 3, 4, 5]]
    assert not net.input


def test_phase_of_a_rule() -> None:
    net = parse("layer { include: { phase: TRAIN } }", NetParameter(), "F")
    assert net.layer[0].include[0].phase == TRAIN
