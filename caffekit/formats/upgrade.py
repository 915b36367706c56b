"""Old forms that Caffe still reads, brought to today's (src/caffe/util/upgrade_proto.cpp)."""

from __future__ import annotations

from typing import Any

from caffekit.errors import FormatError
from caffekit.formats.upgrade_v0 import Say, upgrade_v0
from caffekit.formats.upgrade_v1 import lift_transforms, needs_lift, upgrade_v1

_FILE = "upgrade_proto.cpp"
_ATTEMPT = "Attempting to upgrade"
_FUTURE = "Note that future Caffe releases will"


def silent(source: str, message: str, severity: str) -> None:
    """For those who only want the result."""


def upgrade_net(net: Any, name: str, say: Say = silent) -> Any:
    """`net` with its old forms as today's: those of 2013 and 2014, `input:` fields, BatchNorm's specs.

    `say` is told what Caffe logs. FormatError naming `name` for what Caffe refuses to upgrade.
    """
    if any(layer.HasField("layer") for layer in net.layers):
        _v0(net, name, say)
    if needs_lift(net):
        say(
            f"{_FILE}:46",
            f"{_ATTEMPT} input file specified using deprecated transformation parameters: {name}",
            "I",
        )
        lift_transforms(net)
        say(
            f"{_FILE}:49",
            "Successfully upgraded file specified using deprecated data transformation parameters.",
            "I",
        )
        say(f"{_FILE}:51", f"{_FUTURE} only support transform_param messages for transformation fields.", "W")
    if net.layers:
        say(f"{_FILE}:55", f"{_ATTEMPT} input file specified using deprecated V1LayerParameter: {name}", "I")
        upgrade_v1(net, name)
        say(f"{_FILE}:63", "Successfully upgraded file specified using deprecated V1LayerParameter", "I")
    if net.input:
        say(f"{_FILE}:69", f"{_ATTEMPT} input file specified using deprecated input fields: {name}", "I")
        _inputs(net, name)
        say(f"{_FILE}:72", "Successfully upgraded file specified using deprecated input fields.", "I")
        say(f"{_FILE}:74", f"{_FUTURE} only support input layers and not input fields.", "W")
    norms = [layer for layer in net.layer if layer.type == "BatchNorm" and len(layer.param) == 3]
    if norms:
        say(f"{_FILE}:79", f"{_ATTEMPT} batch norm layers using deprecated params: {name}", "I")
        for spec in (spec for layer in norms for spec in layer.param):
            spec.lr_mult = spec.decay_mult = 0
        say(f"{_FILE}:82", "Successfully upgraded batch norm layers using deprecated params.", "I")
    return net


def _v0(net: Any, name: str, say: Say) -> None:
    say(f"{_FILE}:28", f"{_ATTEMPT} input file specified using deprecated V0LayerParameter: {name}", "I")
    if upgrade_v0(net, name, say):
        say(f"{_FILE}:36", "Successfully upgraded file specified using deprecated V0LayerParameter", "I")
    else:
        problems = "Warning: had one or more problems upgrading V0NetParameter to NetParameter (see above)"
        say(f"{_FILE}:33", f"{problems}; continuing anyway.", "E")
    say(
        f"{_FILE}:39",
        f"{_FUTURE} not support V0NetParameter; use ./build/tools/upgrade_net_proto_text for prototxt and"
        " ./build/tools/upgrade_net_proto_binary for model weights upgrade this and any other net protos to"
        " the new format.",
        "W",
    )


SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def upgrade_solver(solver: Any, name: str, say: Say = silent) -> Any:
    """`solver` with the old enum solver_type as the word `type`. FormatError when it has both."""
    if not solver.HasField("solver_type"):
        return solver
    if solver.HasField("type"):
        raise FormatError(f"{name}: has both solver_type and type", "remove solver_type")
    field = "deprecated 'solver_type' field (enum)"
    say(f"{_FILE}:1084", f"{_ATTEMPT} input file specified using {field}': {name}", "I")
    enum = solver.DESCRIPTOR.fields_by_name["solver_type"].enum_type
    solver.type = SOLVER_TYPES[enum.values_by_number[solver.solver_type].name]
    solver.ClearField("solver_type")
    say(f"{_FILE}:1091", f"Successfully upgraded file specified using {field} to 'type' field (string).", "I")
    say(f"{_FILE}:1093", f"{_FUTURE} only support 'type' field (string) for a solver's type.", "W")
    return solver


def _inputs(net: Any, name: str) -> None:
    """Move `input`, `input_shape` and `input_dim` into a first layer "input"; bare names are dropped."""
    if net.input_shape or net.input_dim:
        layers = list(net.layer)
        del net.layer[:]
        layer = net.layer.add(name="input", type="Input", top=net.input)
        layer.input_param.shape.extend(_input_shapes(net, name))
        net.layer.extend(layers)
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)


def _input_shapes(net: Any, name: str) -> list[Any]:
    """The shape of each input: its input_shape, else its four of input_dim."""
    count = len(net.input)
    if net.input_shape:
        shapes = list(net.input_shape)
    else:
        starts = range(0, len(net.input_dim) - 3, 4)
        shapes = [net.input_shape.add(dim=net.input_dim[i : i + 4]) for i in starts]
    if len(shapes) < count:
        raise FormatError(
            f"{name}: {count} input, but shapes for {len(shapes)}",
            "give each input one input_shape, or four input_dim",
        )
    return shapes[:count]
