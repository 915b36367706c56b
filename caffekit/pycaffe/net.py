"""Net: layers and blobs, forward and backward, as pycaffe's Net."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import Message

from caffekit.formats.caffe_pb2 import TEST
from caffekit.formats.prototxt import read_net
from caffekit.formats.weights import blob_array, read_caffemodel, to_blob, write_caffemodel
from caffekit.pycaffe import debug_info
from caffekit.pycaffe.blob import Array, Blob
from caffekit.pycaffe.build import build
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.log import log

Hook = Callable[[int], Any]


class Net:
    """Net(network_file, phase, level=0, stages=None, weights=None); also Net(network_file, weights, phase).

    `network_file` may also be a NetParameter; without a phase its own state holds. RuntimeError if the file
    is not there; ValueError for a net that BVLC Caffe would abort on.
    """

    def __init__(
        self,
        network_file: Any,
        *args: Any,
        phase: int | None = None,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: str | None = None,
    ) -> None:
        for value in args:
            if isinstance(value, str):
                weights = value
            else:
                phase = value
        param = read_network(network_file)
        if phase is not None or not isinstance(network_file, Message):
            param = _in_state(param, TEST if phase is None else phase, level, stages or [])
        self._message = type(param)  # BVLC's NetParameter, or a fork's
        built = build(param)
        self.name, self.phase = built.name, built.phase
        self.layers, self.blobs, self.outputs = built.layers, built.blobs, built.outputs
        self.blob_loss_weights = OrderedDict((name, built.loss_weights[name]) for name in built.blobs)
        self.learnable = built.learnable
        names = [layer.layer_param.name for layer in built.layers]
        self._layer_names, self._blob_names = names, list(built.blobs)
        self.layer_dict: OrderedDict[str, Layer] = OrderedDict(zip(names, built.layers, strict=True))
        self.bottom_names = OrderedDict(zip(names, built.bottoms, strict=True))
        self.top_names = OrderedDict(zip(names, built.tops, strict=True))
        self.params = OrderedDict((n, layer.blobs) for n, layer in self.layer_dict.items() if layer.blobs)
        self.inputs = [
            top for layer in built.layers if layer.type == "Input" for top in layer.layer_param.top
        ]
        self._wiring = list(zip(built.bottoms, built.tops, built.need_backward, strict=True))
        self._hooks: dict[str, list[Hook]] = {}
        self.debug_info = False
        if param.debug_info:
            debug_info.attach(self)
        if weights:
            self.copy_from(str(weights))

    # --- running ----------------------------------------------------------------------------------------

    def _forward(self, start: int, end: int, keep_graph: bool = True) -> float:
        """Run layers `start` … `end` forward; the loss, weighted and summed.

        keep_graph=False saves the memory that a backward pass would need.
        """
        loss = 0.0
        for i in range(start, end + 1):
            self._run("before_forward", i)
            bottoms, tops, need_backward = self._wiring[i]
            self.layers[i].run_forward(self._all(bottoms), self._all(tops), keep_graph and need_backward)
            for top in tops:
                if self.blob_loss_weights[top]:
                    loss += float((self.blobs[top].value * self.blobs[top].grad).sum())
            self._run("after_forward", i)
        return loss

    def _backward(self, start: int, end: int) -> None:
        """Run layers `start` … `end` (downwards) backward, from the diffs of their tops."""
        for i in range(start, end - 1, -1):
            self._run("before_backward", i)
            bottoms, tops, need_backward = self._wiring[i]
            if need_backward:
                self.layers[i].run_backward(self._all(tops), self._all(bottoms))
            self._run("after_backward", i)

    def forward(
        self,
        blobs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Run forward from layer `start` to layer `end` (names); inputs may be given by keyword.

        Returns the net's outputs (or the tops of `end`) and `blobs`, as live views.
        """
        first = self._layer_names.index(start) if start is not None else 0
        last = self._layer_names.index(end) if end is not None else len(self.layers) - 1
        wanted = self.top_names[end] if end is not None else self.outputs
        self._assign(kwargs, self.inputs, "data")
        self._forward(first, last)
        return {name: self.blobs[name].data for name in [*wanted, *(blobs or [])]}

    def backward(
        self,
        diffs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Array]:
        """Run backward from layer `start` down to layer `end`; output diffs may be given by keyword.

        Returns the diffs of the net's inputs (or of the bottoms of `end`) and of `diffs`, as live views.
        """
        first = self._layer_names.index(start) if start is not None else len(self.layers) - 1
        last = self._layer_names.index(end) if end is not None else 0
        wanted = self.bottom_names[end] if end is not None else self.inputs
        self._assign(kwargs, self.outputs, "diff")
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in [*wanted, *(diffs or [])]}

    def _assign(self, given: dict[str, Any], names: list[str], part: str) -> None:
        """Copy keyword arguments into the blobs that they name, which must be all of `names`."""
        if given and set(given) != set(names):
            raise Exception(
                f"Input blob arguments do not match net inputs: got {sorted(given)}, expected {names}"
            )
        for name, value in given.items():
            blob = self.blobs[name]
            if np.shape(value)[:1] != blob.shape[:1]:
                raise Exception(
                    f"'{name}' is not batch sized: got {np.shape(value)}, the blob is {blob.shape}"
                )
            getattr(blob, part)[...] = value

    def _all(self, names: list[str]) -> list[Blob]:
        return [self.blobs[name] for name in names]

    def reshape(self) -> None:
        """Give all blobs the shapes that follow from the inputs' shapes."""
        for layer, (bottoms, tops, _) in zip(self.layers, self._wiring, strict=True):
            if layer.type == "Input":
                continue
            shapes, _ = layer.top_shapes([self.blobs[name].shape for name in bottoms])
            for name, shape in zip(tops, shapes, strict=True):
                self.blobs[name].reshape(*shape)

    def clear_param_diffs(self) -> None:
        """Zero the gradients of all parameters."""
        for blob, _, _ in self.learnable:
            blob.grad.zero_()

    # --- hooks ------------------------------------------------------------------------------------------

    def before_forward(self, hook: Hook) -> None:
        """Call hook(layer_index) before each layer's forward."""
        self._hooks.setdefault("before_forward", []).append(hook)

    def after_forward(self, hook: Hook) -> None:
        """Call hook(layer_index) after each layer's forward."""
        self._hooks.setdefault("after_forward", []).append(hook)

    def before_backward(self, hook: Hook) -> None:
        """Call hook(layer_index) before each layer's backward."""
        self._hooks.setdefault("before_backward", []).append(hook)

    def after_backward(self, hook: Hook) -> None:
        """Call hook(layer_index) after each layer's backward."""
        self._hooks.setdefault("after_backward", []).append(hook)

    def _run(self, when: str, index: int) -> None:
        for hook in self._hooks.get(when, ()):
            hook(index)

    # --- weights ----------------------------------------------------------------------------------------

    def save(self, filename: str) -> None:
        """Write a .caffemodel."""
        write_caffemodel(Path(filename), self.to_proto())

    def to_proto(self, diff: bool = False) -> Any:
        """The NetParameter that snapshots hold: every layer as it was built, with its parameters."""
        net = self._message(name=self.name)
        for layer in self.layers:
            param = net.layer.add()
            param.CopyFrom(layer.layer_param)
            del param.blobs[:]
            for blob in layer.blobs:
                to_blob(blob.data, blob.diff if diff else None, param.blobs.add())
        return net

    def copy_from(self, filename: str) -> None:
        """Take the parameters of the layers that have the same names in a .caffemodel."""
        for source in read_caffemodel(Path(filename)).layer:
            self._copy_layer(source.name, [blob_array(blob) for blob in source.blobs])

    def _copy_layer(self, name: str, arrays: list[Any]) -> None:
        if name not in self.layer_dict:
            log("net.cpp:746", f"Ignoring source layer {name}")
            return
        blobs = self.layer_dict[name].blobs
        if not arrays and blobs:
            return
        if len(arrays) != len(blobs):
            raise ValueError(f"layer '{name}': Incompatible number of blobs: {len(arrays)} for {len(blobs)}")
        for i, (array, blob) in enumerate(zip(arrays, blobs, strict=True)):
            if not _same_shape(array.shape, blob.shape):
                source, target = _shape_text(array.shape), _shape_text(blob.shape)
                raise ValueError(
                    f"Cannot copy param {i} weights from layer '{name}'; shape mismatch. "
                    f" Source param shape is {source}; target param shape is {target}. To learn this layer's"
                    " parameters from scratch rather than copying from a saved net, rename the layer."
                )
            blob.data[...] = array.reshape(blob.shape)

    def share_with(self, other: Net) -> None:
        """Use the parameter values of `other`'s layers of the same names, in the same memory."""
        for name in other.layer_dict:
            if name not in self.layer_dict:
                log("net.cpp:678", f"Ignoring source layer {name}")
        for name, blobs in other.params.items():
            for mine, theirs in zip(self.params.get(name, []), blobs, strict=False):
                if mine.shape != theirs.shape:
                    raise ValueError(f"Cannot share param weights of layer '{name}'; shape mismatch.")
                mine.share_data(theirs)


def _in_state(net: Any, phase: int, level: int, stages: Sequence[str]) -> Any:
    """A copy of `net` in this state; stages add up."""
    out = type(net)()
    out.CopyFrom(net)
    out.state.phase, out.state.level = phase, level
    out.state.stage.extend(stages)
    return out


def read_network(network_file: Any) -> Any:
    """A NetParameter, read from a file or as it is; RuntimeError, as pycaffe's, if there is no such file."""
    if isinstance(network_file, Message):
        return network_file
    if not Path(network_file).is_file():
        raise RuntimeError(f"Could not open file {network_file}")
    return read_net(Path(network_file))


def _same_shape(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Equal, or equal once the leading ones of a legacy 4-D shape are gone."""
    if len(source) == 4 and len(target) < 4:
        lead = 4 - len(target)
        return source[:lead] == (1,) * lead and source[lead:] == target
    return source == target


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"{' '.join(map(str, shape))} ({int(np.prod(shape, dtype=np.int64))})"
