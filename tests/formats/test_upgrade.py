"""Old forms become what real Caffe's own upgrade makes of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from caffekit.errors import FormatError
from caffekit.formats import upgrade_v0
from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter, V0LayerParameter, V1LayerParameter
from caffekit.formats.prototxt import parse, read_net, read_solver
from caffekit.formats.upgrade import upgrade_net, upgrade_solver
from caffekit.formats.upgrade_v1 import TYPES


def golden_log(path: Path) -> list[tuple[str, ...]]:
    """(severity, source, sentence) of what upgrade_net_proto_text logged of the upgrade itself."""
    lines = path.read_text().splitlines()
    found = [re.match(r"([IWE]) (upgrade_proto\.cpp:\d+)\] (.*)", line) for line in lines]
    return [match.groups() for match in found if match]


def test_golden_upgrades(shared: Path) -> None:
    """The upgraded message and every line that Caffe logs on the way, for all recorded pairs."""
    sources = sorted((shared / "tools" / "golden" / "upgrade").glob("*.in.prototxt"))
    assert len(sources) == 27
    for source in sources:
        read = read_solver if "solver" in source.name else read_net
        said: list[tuple[str, ...]] = []

        def say(where: str, message: str, severity: str, said: Any = said) -> None:
            said.append((severity, where, message))

        mine = read(source, say)
        message = SolverParameter() if read is read_solver else NetParameter()
        target = source.with_name(source.name.replace(".in.", ".out."))
        assert mine == parse(target.read_text(), message, "out"), source.name
        log = golden_log(source.with_name(source.name.replace(".in.prototxt", ".log")))
        assert [(s, w, m.replace(str(source), "IN")) for s, w, m in said] == log, source.name


def test_every_type_of_2014_has_a_name() -> None:
    words = V1LayerParameter.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name
    assert set(TYPES) == set(words)


V1 = """
layers {
  name: "data" type: DATA top: "data" data_param { source: "db" mirror: true scale: 0.5 crop_size: 3 }
  include { phase: TRAIN }
}
layers {
  name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
  param: "w" param: "b" blob_share_mode: STRICT blob_share_mode: PERMISSIVE
  inner_product_param { num_output: 3 }
}
"""
V2 = """
layer {
  name: "data" type: "Data" top: "data" data_param { source: "db" }
  transform_param { mirror: true scale: 0.5 crop_size: 3 } include { phase: TRAIN }
}
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  param { name: "w" lr_mult: 1 decay_mult: 1 share_mode: STRICT }
  param { name: "b" lr_mult: 2 share_mode: PERMISSIVE }
  inner_product_param { num_output: 3 }
}
"""


PADDING = 'input: "a" layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "a" top: "p" }'


def user(layer_type: str, *bottoms: str) -> str:
    wires = " ".join(f'bottom: "{name}"' for name in bottoms)
    return f'layers {{ layer {{ name: "{layer_type}" type: "{layer_type}" }} {wires} top: "t" }}'


def test_layers_of_2013() -> None:
    """Padding goes into the conv after it; a field that is not the type's is lost, and said so."""
    said = []
    text = PADDING + user("conv", "p").replace("type:", "kernelsize: 3 local_size: 5 type:")
    net = upgrade_net(
        parse(text, NetParameter(), "F"), "F", lambda where, message, _: said.append((where, message))
    )
    assert [layer.name for layer in net.layer] == ["conv"]
    assert list(net.layer[0].bottom) == ["a"]
    assert (list(net.layer[0].convolution_param.pad), net.layer[0].type) == ([2], "Convolution")
    assert ("upgrade_proto.cpp:359", "Unknown parameter local_size for layer type conv") in said
    assert any(where == "upgrade_proto.cpp:33" for where, _ in said)


def test_every_field_of_2013_has_a_place() -> None:
    """Only the sizes of the Reshape layer that never came are lost, in Caffe too."""
    fields = set(V0LayerParameter.DESCRIPTOR.fields_by_name)
    placed = {*upgrade_v0.FIELDS, *upgrade_v0.TRANSFORM, *upgrade_v0.SAME}
    assert fields - placed == {"type", "new_num", "new_channels"}
    assert set(upgrade_v0.TYPES.values()) < set(TYPES)


def test_layers_of_2014() -> None:
    assert upgrade_net(parse(V1, NetParameter(), "F"), "F") == parse(V2, NetParameter(), "F")


def test_transformation_fields_of_today_are_left_alone() -> None:
    """Caffe ignores them silently in a `layer`; so do we."""
    net = parse('layer { type: "Data" data_param { scale: 0.5 } }', NetParameter(), "F")
    assert not upgrade_net(net, "F").layer[0].HasField("transform_param")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (V1 + V2, "F: has both `layer` and `layers`"),
        ('layers { layer { name: "a" type: "conx" } }', "F: layer 'a': Unknown layer name: conx"),
        ('input: "a" input_dim: 3 input_dim: 3 input_dim: 2', "F: 1 input, but shapes for 0"),
        (PADDING + user("relu", "p"), "F: layer 'relu': Padding layer input to non-convolutional"),
        (PADDING + user("conv", "p", "p"), "F: layer 'conv': it and the padding layer before it"),
        (PADDING + user("conv", "q"), "F: Unknown blob input q to layer 'conv'"),
    ],
)
def test_what_cannot_be_upgraded(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        upgrade_net(parse(text, NetParameter(), "F"), "F")
    assert caught.value.message.startswith(message)


def test_batch_norms_statistics_are_never_learned() -> None:
    three = 'layer { type: "BatchNorm" param { lr_mult: 1 } param { lr_mult: 2 } param { lr_mult: 3 } }'
    net = upgrade_net(parse(three, NetParameter(), "F"), "F")
    assert [(spec.lr_mult, spec.decay_mult) for spec in net.layer[0].param] == [(0, 0)] * 3
    two = parse('layer { type: "BatchNorm" param { lr_mult: 1 } param { } }', NetParameter(), "F")
    assert upgrade_net(two, "F").layer[0].param[0].lr_mult == 1


def test_solver_type() -> None:
    solver = upgrade_solver(parse("solver_type: ADAGRAD", SolverParameter(), "F"), "F")
    assert (solver.type, solver.HasField("solver_type")) == ("AdaGrad", False)
    with pytest.raises(FormatError, match="both solver_type and type"):
        upgrade_solver(parse('solver_type: ADAM type: "Adam"', SolverParameter(), "F"), "F")
