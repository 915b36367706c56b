"""Layers written in Python: the class that users derive from, and the layer that runs their class."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from caffekit.pycaffe.alias import alias_caffe
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer, Shape
from caffekit.pycaffe.mode import multiprocess, solver_count


class BlobVec(list[Blob]):
    """A layer's parameters."""

    def add_blob(self, *shape: int) -> None:
        """Append a parameter of this shape, all zeros."""
        self.append(Blob(shape))


class PythonLayer:
    """caffe.Layer: what a layer written in Python derives from.

    It defines setup(bottom, top), reshape(bottom, top), forward(bottom, top) and, where it has a gradient,
    backward(top, propagate_down, bottom); all get sequences of blobs. Before setup it is given `param_str`
    (python_param.param_str) and `phase` (TRAIN or TEST). setup may call self.blobs.add_blob(*shape) for each
    parameter. reshape is called before every forward.
    """

    type = "Python"
    param_str = ""
    phase = 0

    def __init__(self, layer_param: Any) -> None:
        self.layer_param = layer_param
        self.blobs = BlobVec()


class Python(Layer):
    """`type: "Python"`: python_param's class `layer` from `module`, which is looked up in sys.path.

    Bottoms, tops and parameters are whatever that class makes of them. Its exceptions pass unchanged.
    `share_in_parallel` has no meaning here: every solver runs in a process of its own.
    Source: include/caffe/layers/python_layer.hpp, GetPythonLayer in src/caffe/layer_factory.cpp.
    """

    type = "Python"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.user = _make(param)
        self.blobs = self.user.blobs
        self._tops: list[Blob] = []

    def setup(self, bottom: Sequence[Blob]) -> None:
        """Let the user's layer set itself up and shape its tops."""
        if self.phase == 0 and solver_count() > 1 and not multiprocess():
            raise ValueError(
                f"layer '{self.layer_param.name}': PythonLayer does not support several solvers per process"
                " (set_multiprocess says that each has its own)"
            )
        names = self.layer_param.bottom
        self._tops = [
            bottom[i] if i < len(names) and names[i] == top else Blob()
            for i, top in enumerate(self.layer_param.top)
        ]
        self.user.param_str = self.layer_param.python_param.param_str
        self.user.phase = self.phase
        self._call("setup", list(bottom), self._tops)
        self._call("reshape", list(bottom), self._tops)

    def top_shapes(self, bottom: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        """As the user's layer has shaped them."""
        return [blob.shape for blob in self._tops], [blob.shape for blob in self.blobs]

    def make_top(self, index: int, shape: Shape) -> Blob:
        """The very blob that setup and reshape have seen."""
        return self._tops[index]

    def make_params(self, shapes: list[Shape]) -> None:
        """Nothing: setup has made them."""

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        """The user's reshape and forward."""
        self.reshape(bottom, top)
        self._call("forward", list(bottom), list(top))

    def run_backward(self, top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        """The user's backward."""
        self._call("backward", list(top), list(self.propagate_down), list(bottom))

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The user's reshape."""
        self._call("reshape", list(bottom), list(top))

    def _call(self, method: str, *args: Any) -> None:
        function = getattr(self.user, method, None)
        if function is None:
            raise AttributeError(
                f"layer '{self.layer_param.name}': class {type(self.user).__name__} has no method {method}"
            )
        function(*args)


def _make(param: Any) -> Any:
    """An object of the class that python_param names; errors name the layer."""
    where, wanted = f"layer '{param.name}'", param.python_param
    alias_caffe()
    try:
        module = importlib.import_module(wanted.module)
    except ModuleNotFoundError as error:
        if not f"{wanted.module}.".startswith(f"{error.name}."):
            raise  # an import inside the module, which was found
        raise ImportError(
            f"{where}: No module named '{wanted.module}' in sys.path: add its folder to PYTHONPATH"
        ) from error
    if not hasattr(module, wanted.layer):
        raise AttributeError(f"{where}: module '{wanted.module}' has no attribute '{wanted.layer}'")
    made = getattr(module, wanted.layer)(param)
    if not isinstance(made, PythonLayer):
        raise TypeError(
            f"{where}: {wanted.module}.{wanted.layer} does not derive from the caffe.Layer of this engine"
            " (has this process imported another caffe?)"
        )
    return made
