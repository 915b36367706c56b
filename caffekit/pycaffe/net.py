"""Net: layers and blobs, forward and backward, as pycaffe's Net."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import Message

from caffekit.formats.caffe_pb2 import TEST
from caffekit.formats.weights import to_blob, write_caffemodel
from caffekit.pycaffe import debug_info, net_batches, net_weights
from caffekit.pycaffe.blob import Array, Blob
from caffekit.pycaffe.build import Built, build, shown_name
from caffekit.pycaffe.joined import join
from caffekit.pycaffe.labels import LabelError, record_of
from caffekit.pycaffe.mode import spares_memory
from caffekit.pycaffe.net_source import in_state, read_network, saying_where, warn_of_old_form
from caffekit.pycaffe.snapshot import write_hdf5_net

Hook = Callable[[int], Any]


class Net:
    """Net(network_file, phase, level=0, stages=None, weights=None); also Net(network_file, weights, phase).

    `network_file` may also be a NetParameter; without a phase its own state holds. RuntimeError if the file
    is not there; ValueError for a net that BVLC Caffe would abort on.
    """

    def __init__(
        self,
        network_file: Any,
        phase: Any = None,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: str | None = None,
    ) -> None:
        if isinstance(phase, str | Path):  # the old form, in which the weights come second
            phase, level, weights = level, 0, str(phase)
            warn_of_old_form(network_file, phase, weights)
        param = read_network(network_file)
        if weights and not Path(weights).is_file():
            raise RuntimeError(f"Could not open file {weights}")
        if phase is not None or not isinstance(network_file, Message):
            param = in_state(param, TEST if phase is None else phase, level, stages or [])
        self._message = type(param)  # BVLC's NetParameter, or a fork's
        with saying_where(network_file):
            built = build(param)
        self._take_parts(built)
        self._hooks: dict[str, list[Hook]] = {}
        self.debug_info = False
        if param.debug_info:
            debug_info.attach(self)
        if weights:
            self.copy_from(str(weights))

    def _take_parts(self, built: Built) -> None:
        """Show layers, blobs and parameters under pycaffe's names."""
        self.name, self.phase = built.name, built.phase
        self._layers, self._wired, self.outputs = built.layers, built.blobs, built.outputs
        self._loss_weights = built.loss_weights
        # A Python layer shows as the object of the user's class, whose attributes scripts set.
        self.layers: list[Any] = [getattr(layer, "user", layer) for layer in built.layers]
        shown = {name: shown_name(name) for name in built.blobs}
        self.blobs = OrderedDict((shown[name], blob) for name, blob in built.blobs.items())
        self.blob_loss_weights = OrderedDict((shown[name], built.loss_weights[name]) for name in built.blobs)
        self.learnable, self._joined = built.learnable, join(built)
        names = [layer.layer_param.name for layer in built.layers]
        self._layer_names, self._blob_names = names, list(shown.values())
        self.layer_dict: OrderedDict[str, Any] = OrderedDict(zip(names, self.layers, strict=True))
        self.bottom_names = OrderedDict(zip(names, built.bottoms, strict=True))
        tops = ([shown[top] for top in tops] for tops in built.tops)
        self.top_names = OrderedDict(zip(names, tops, strict=True))
        self.params = OrderedDict((n, layer.blobs) for n, layer in self.layer_dict.items() if layer.blobs)
        self.inputs = [
            top for layer in built.layers if layer.type == "Input" for top in layer.layer_param.top
        ]
        index = {name: i for i, name in enumerate(built.blobs)}
        self._blobs = list(built.blobs.values())
        self._inputs, self._outputs = [index[n] for n in self.inputs], [index[n] for n in self.outputs]
        self._wiring = list(zip(built.bottoms, built.tops, built.need_backward, strict=True))

    def _bottom_ids(self, layer: int) -> list[int]:
        """The bottoms of a layer as places in _blob_names."""
        return [list(self._wired).index(name) for name in self._wiring[layer][0]]

    def _top_ids(self, layer: int) -> list[int]:
        """The tops of a layer as places in _blob_names."""
        return [list(self._wired).index(name) for name in self._wiring[layer][1]]

    # --- running ----------------------------------------------------------------------------------------

    def _forward(self, start: int, end: int, keep_graph: bool = True) -> float:
        """Run layers `start` … `end` forward; the loss, weighted and summed.

        keep_graph=False saves the memory that a backward pass would need.
        """
        loss = 0.0
        for pair in self._joined:
            pair.decide(start, end, bool(self._hooks))
        for i in range(start, end + 1):
            self._run("before_forward", i)
            bottoms, tops, need_backward = self._wiring[i]
            try:
                self._layers[i].run_forward(self._all(bottoms), self._all(tops), keep_graph and need_backward)
            except LabelError as error:
                raise error.of(record_of(self, i, error.item)) from None
            for top in tops:
                if self._loss_weights[top]:
                    loss += float((self._wired[top].value * self._wired[top].grad).sum())
            self._run("after_forward", i)
        return loss

    def _forget(self) -> None:
        """Free what a forward and a backward pass over all layers make anew, but for what users look at."""
        for layer in self._layers:
            layer.forget()
        for name in self._wired:
            self._drop_diff(name)

    def _drop_diff(self, name: str) -> None:
        if not self._loss_weights[name]:  # it is kept in the diff
            self._wired[name].drop_grad()

    def _backward(self, start: int, end: int) -> None:
        """Run layers `start` … `end` (downwards) backward, from the diffs of their tops."""
        for pair in self._joined:
            pair.ready(start, end, bool(self._hooks))
        for i in range(start, end - 1, -1):
            self._run("before_backward", i)
            bottoms, tops, need_backward = self._wiring[i]
            if need_backward:
                if self._layers[i].refusal:
                    raise ValueError(self._layers[i].refusal)
                self._layers[i].run_backward(self._all(tops), self._all(bottoms))
                if spares_memory() and bottoms:
                    self._layers[i].forget()
                    for top in set(tops) - set(bottoms):
                        self._drop_diff(top)
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
        self._assign(kwargs, self.inputs, "data", "Input blob arguments do not match net inputs")
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
        self._assign(kwargs, self.outputs, "diff", "Top diff arguments do not match net outputs")
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in [*wanted, *(diffs or [])]}

    def _assign(self, given: dict[str, Any], names: list[str], part: str, mismatch: str) -> None:
        """Copy keyword arguments into the blobs that they name, which must be all of `names`."""
        if given and set(given) != set(names):
            raise Exception(f"{mismatch}: got {sorted(given)}, expected {names}")
        for name, value in given.items():
            blob = self.blobs[name]
            if np.shape(value)[:1] != blob.shape[:1]:
                what = "Input" if part == "data" else "Diff"
                raise Exception(
                    f"{what} is not batch sized: got {np.shape(value)} for '{name}' of shape {blob.shape}"
                )
            getattr(blob, part)[...] = value

    def forward_all(self, blobs: Sequence[str] | None = None, **kwargs: Any) -> dict[str, Array]:
        """Run inputs of any number forward, given by keyword, in batches of the net's size.

        Returns the net's outputs and `blobs`, one item per input.
        """
        return net_batches.forward_all(self, blobs or [], kwargs)

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **kwargs: Any
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Run inputs, and diffs of outputs, of any number forward and backward, in batches.

        Returns the outputs and `blobs`, and the diffs of the inputs and `diffs`, one item per input.
        """
        return net_batches.forward_backward_all(self, blobs or [], diffs or [], kwargs)

    def set_input_arrays(self, data: Array, labels: Array) -> None:
        """Take batches of these arrays from now on, if the first layer is MemoryData; they are not copied.

        RuntimeError if it is not, or unless both are C-contiguous float32 of fitting shapes.
        """
        layer: Any = self._layers[0]
        if layer.type != "MemoryData":
            raise RuntimeError(
                "set_input_arrays may only be called if the first layer is a MemoryDataLayer; here it is"
                f" '{layer.layer_param.name}' of type {layer.type}"
            )
        if labels.ndim == 1:
            labels = np.ascontiguousarray(labels[:, np.newaxis, np.newaxis, np.newaxis])
        layer.reset(data, labels)

    def _all(self, names: list[str]) -> list[Blob]:
        return [self._wired[name] for name in names]

    def reshape(self) -> None:
        """Give all blobs the shapes that follow from the inputs' shapes."""
        for layer, (bottoms, tops, _) in zip(self._layers, self._wiring, strict=True):
            layer.reshape(self._all(bottoms), self._all(tops))

    def clear_param_diffs(self) -> None:
        """Zero the gradients of all parameters."""
        for blob, _, _ in self.learnable:
            blob.clear_grad()

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
        for layer in self._layers:
            param = net.layer.add()
            param.CopyFrom(layer.layer_param)
            del param.blobs[:]
            for blob in layer.blobs:
                to_blob(blob.data, blob.diff if diff else None, param.blobs.add())
        return net

    def save_hdf5(self, filename: str) -> None:
        """Write the parameters as HDF5; FormatError for a layer with a '/' in its name."""
        write_hdf5_net(Path(filename), self, diff=False)

    def load_hdf5(self, filename: str) -> None:
        """copy_from for HDF5 only."""
        net_weights.copy_from_hdf5(self, filename)

    def copy_from(self, filename: str) -> None:
        """Take the parameters of the layers that have the same names in a .caffemodel or HDF5 file.

        DataError if it is not there or none of both, ValueError if a layer's parameters do not fit.
        """
        net_weights.copy_from(self, filename)

    def share_with(self, other: Net) -> None:
        """Use the parameter values of `other`'s layers of the same names, in the same memory."""
        net_weights.share_with(self, other)
