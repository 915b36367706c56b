"""Nets written in Python: `n = NetSpec(); n.conv = layers.Convolution(n.data, num_output=4, …)`.

`layers.TYPE(*bottoms, **params)` gives the top of a new layer (several with `ntop=`, the Function itself with
`ntop=0`); `params.TYPE.CONSTANT` gives an enum's value; `to_proto` collects the layers that its tops need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from caffekit.formats.proto import file_descriptor, forks, message_class


@cache
def param_fields(fork: str = "") -> dict[str, str]:
    """The field of LayerParameter that holds a layer type's own settings, by type."""
    fields: Any = message_class("LayerParameter", fork).DESCRIPTOR.fields
    return {
        field.message_type.name.removesuffix("Parameter"): field.name
        for field in fields
        if field.name.endswith("_param")
    }


class Top:
    """One output of a layer: `fn` is the Function that makes it, `n` its index there."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn = fn
        self.n = n

    def to_proto(self) -> Any:
        """The NetParameter of all layers that this top needs, named after their types."""
        return to_proto(self)

    def _to_proto(
        self, layers: dict[Function, Any], names: dict[Any, str], autonames: Counter[str], fork: str
    ) -> None:
        self.fn._to_proto(layers, names, autonames, fork)


class Function:
    """A layer of type `type_name` with its bottoms (Tops) and its settings.

    Three settings are not the layer's: `ntop` (number of tops, 1 by default), `in_place` (the tops are the
    bottoms). TypeError for a bottom that is no Top.
    """

    def __init__(self, type_name: str, inputs: tuple[Top, ...], params: dict[str, Any]) -> None:
        for index, each in enumerate(inputs):
            if not isinstance(each, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(each)})")
        self.type_name = type_name
        self.inputs = inputs
        self.params = params
        self.ntop: int = params.pop("ntop", 1)
        self.in_place: bool = params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def to_proto(self) -> Any:
        """The NetParameter of this layer (one without tops has no Top to ask) and all that it needs."""
        return to_proto(self)

    def _to_proto(
        self, layers: dict[Function, Any], names: dict[Any, str], autonames: Counter[str], fork: str
    ) -> None:
        if self in layers:
            return
        layer: Any = message_class("LayerParameter", fork)(type=self.type_name)
        for bottom in self.inputs:
            bottom._to_proto(layers, names, autonames, fork)
            layer.bottom.append(layers[bottom.fn].top[bottom.n])
        if self.in_place:
            layer.top.extend(layer.bottom)
        else:
            layer.top.extend(_name(top, self.type_name, names, autonames) for top in self.tops)
        # A layer is called as its first top is, also where that top goes by the name of its bottom.
        owner = self.tops[0] if self.tops and self not in names else self
        layer.name = _name(owner, self.type_name, names, autonames)
        for key, value in self.params.items():
            _set_param(layer, key, value, fork)
        layers[self] = layer


def _name(what: Top | Function, type_name: str, names: dict[Any, str], autonames: Counter[str]) -> str:
    """The name given to a top or layer, or the next free TYPEn."""
    if what not in names:
        autonames[type_name] += 1
        names[what] = f"{type_name}{autonames[type_name]}"
    return names[what]


def _set_param(layer: Any, key: str, value: Any, fork: str) -> None:
    """Set what the layer's own *_param has, else what LayerParameter has."""
    own = param_fields(fork).get(layer.type, "")
    message = getattr(layer, own) if own and not key.endswith("param") else None
    if message is None or key not in message.DESCRIPTOR.fields_by_name:
        message = layer
    if key not in message.DESCRIPTOR.fields_by_name:
        raise AttributeError(
            f"layer '{layer.name}': neither LayerParameter nor the settings of {layer.type} have '{key}'"
        )
    assign_proto(message, key, value)


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set field `name`: a dict fills a message, a list a repeated field; a single value also makes a list."""
    field = proto.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        values = val if isinstance(val, (list, tuple)) else [val]
        if not any(isinstance(value, dict) for value in values):
            getattr(proto, name).extend(values)
            return
        for value in values:
            _fill(getattr(proto, name).add(), value)
    elif isinstance(val, dict):
        _fill(getattr(proto, name), val)
    else:
        setattr(proto, name, val)


def _fill(message: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        if key not in message.DESCRIPTOR.fields_by_name:
            raise AttributeError(f"{message.DESCRIPTOR.name} has no field '{key}'")
        assign_proto(message, key, value)


def to_proto(*tops: Top | Function) -> Any:
    """The NetParameter of all layers that `tops` need; blobs and layers are named after their types."""
    return _collect(tops, {})


def _collect(tops: Collection[Top | Function], names: dict[Any, str]) -> Any:
    """Their layers as BVLC's NetParameter, or as that of the smallest fork that has all their settings."""
    problems = []
    for fork in ("", *forks()):
        layers: dict[Function, Any] = {}
        called, autonames = dict(names), Counter[str]()
        try:
            for top in tops:
                top._to_proto(layers, called, autonames, fork)
        except AttributeError as error:
            problems.append(error)
        else:
            return message_class("NetParameter", fork)(layer=layers.values())
    raise problems[0]


class NetSpec:
    """Tops by name: attributes (or items) that are assigned become blobs and layers of these names."""

    tops: dict[str, Top | Function]

    def __init__(self) -> None:
        object.__setattr__(self, "tops", {})

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle look for methods that a NetSpec does not have
            raise AttributeError(name)
        return self.tops[name]

    __setitem__ = __setattr__
    __getitem__ = __getattr__

    def to_proto(self) -> Any:
        """The NetParameter of all layers that the assigned tops need."""
        return _collect(self.tops.values(), {top: name for name, top in self.tops.items()})


class Layers:
    """`Layers().TYPE(*bottoms, **params)`: a new layer's top, tops (ntop > 1) or Function (ntop 0)."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def layer_fn(*args: Top, **kwargs: Any) -> Any:
            fn = Function(name, args, kwargs)
            return fn if fn.ntop == 0 else fn.tops[0] if fn.ntop == 1 else fn.tops

        return layer_fn


class Parameters:
    """`Parameters().TYPE.CONSTANT`: the number of an enum value of the settings of a layer type."""

    def __getattr__(self, name: str) -> Any:
        message = f"{name}Parameter"
        for fork in ("", *forks()):
            if message in file_descriptor(fork).message_types_by_name:
                return message_class(message, fork)
        raise AttributeError(f"neither BVLC's caffe.proto nor a fork's has {message}")


layers = Layers()
params = Parameters()
