"""Old forms that Caffe still reads, brought to today's (src/caffe/util/upgrade_proto.cpp)."""

from __future__ import annotations

from typing import Any

from caffekit.errors import FormatError
from caffekit.formats.upgrade_v1 import upgrade_v1


def upgrade_net(net: Any, name: str) -> Any:
    """`net` with its old forms as today's: `layers`, `input:` fields, BatchNorm's parameter specs.

    FormatError naming `name` for the format of 2013.
    """
    if net.layers:
        upgrade_v1(net, name)
    _inputs(net)
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
    return net


def upgrade_solver(solver: Any, name: str) -> Any:
    """`solver` with the old enum solver_type as the word `type`. FormatError when it has both."""
    if not solver.HasField("solver_type"):
        return solver
    if solver.HasField("type"):
        raise FormatError(f"{name}: has both solver_type and type", "remove solver_type")
    words = {
        "SGD": "SGD",
        "NESTEROV": "Nesterov",
        "ADAGRAD": "AdaGrad",
        "RMSPROP": "RMSProp",
        "ADADELTA": "AdaDelta",
        "ADAM": "Adam",
    }
    enum = solver.DESCRIPTOR.fields_by_name["solver_type"].enum_type
    solver.type = words[enum.values_by_number[solver.solver_type].name]
    solver.ClearField("solver_type")
    return solver


def _inputs(net: Any) -> None:
    """Move `input`, `input_shape` and `input_dim` into a first layer "input"; bare names are dropped."""
    if net.input and (net.input_shape or net.input_dim):
        layers = list(net.layer)
        del net.layer[:]
        layer = net.layer.add(name="input", type="Input", top=net.input)
        if net.input_shape:
            layer.input_param.shape.extend(net.input_shape)
        else:
            for i in range(0, len(net.input_dim), 4):
                layer.input_param.shape.add(dim=net.input_dim[i : i + 4])
        net.layer.extend(layers)
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)
