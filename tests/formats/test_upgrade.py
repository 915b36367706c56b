"""Old forms become what real Caffe's own upgrade makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import NetParameter, SolverParameter, V1LayerParameter
from caffekit.formats.prototxt import parse, read_net, read_solver
from caffekit.formats.upgrade import upgrade_net, upgrade_solver
from caffekit.formats.upgrade_v1 import TYPES


def test_golden_upgrades(shared: Path) -> None:
    done = refused = 0
    for source in sorted((shared / "tools" / "golden" / "upgrade").glob("*.in.prototxt")):
        read = read_solver if "solver" in source.name else read_net
        target = source.with_name(source.name.replace(".in.", ".out."))
        if not target.exists():
            continue
        try:
            mine = read(source)
        except FormatError as error:
            assert "2013" in error.message, source.name
            refused += 1
            continue
        message = SolverParameter() if read is read_solver else NetParameter()
        assert str(mine) == str(parse(target.read_text(), message, "out")), source.name
        done += 1
    assert done >= 18
    assert refused <= 8


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
        ('layers { layer { name: "a" type: "conv" } }', "F: written for Caffe of 2013"),
    ],
)
def test_what_cannot_be_upgraded(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        upgrade_net(parse(text, NetParameter(), "F"), "F")
    assert caught.value.message.startswith(message)
    assert caught.value.hint


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
