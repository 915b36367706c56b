"""The base of all layers: set up once, then forward and backward, one layer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.formats.blobs import blob_array
from caffekit.graph.shapes import layer_shapes
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.fillers import fill

Shape = tuple[int, ...]
Saved = tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]
"""Bottoms, parameters and tops of one forward pass, with the graph between them."""


class Layer:
    """One layer of a net.

    A layer type says how its tops follow from its bottoms (`forward`, in torch functions) and, if it has
    parameters, which fillers start them (`fillers`). Shapes come from graph.SHAPE_RULES; the gradient comes
    from autograd within the layer, so that blobs hold the same `diff` as in BVLC Caffe between layers.
    A layer whose gradient is not that of its forward formula uses a torch.autograd.Function.
    """

    type = ""
    loss_weight = 0.0
    """The default weight of the first top in the loss: 1 for loss layers."""
    no_gradient: tuple[int, ...] = ()
    """Bottoms that are never given a gradient (labels); -1 stands for all."""

    def __init__(self, param: Any, phase: int) -> None:
        self.layer_param = param
        self.phase = phase
        self.blobs: list[Blob] = []
        self.propagate_down: list[bool] = []
        self.param_propagate_down: list[bool] = []
        self.param_backward_stated: list[bool] = []  # as the prototxt has it: BatchNorm's zeros come later
        self.refusal = ""  # why the net cannot run backward through this layer, if it cannot
        self._saved: Saved | None = None

    # --- what a layer type defines -------------------------------------------------------------------

    def setup(self, bottom: Sequence[Blob]) -> None:
        """Check the parameters and prepare; called once, before the parameters are made."""

    def fillers(self) -> list[Any]:
        """A FillerParameter for each parameter blob."""
        return []

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        """The tops' values."""
        raise NotImplementedError(f"{self.type} has no forward")

    def top_shapes(self, bottom: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        """Shapes of the tops and of the parameters, given the bottoms'."""
        return layer_shapes(self.layer_param, bottom)

    # --- what the net calls ---------------------------------------------------------------------------

    def make_top(self, index: int, shape: Shape) -> Blob:
        """The blob of a top that is not in place."""
        return Blob(shape)

    def make_params(self, shapes: list[Shape]) -> None:
        """Allocate and fill the parameter blobs, in order (fillers draw random numbers in this order).

        Values that stand in the prototxt itself (`blobs`) are taken from there, as Caffe's Layer does.
        """
        if self.layer_param.blobs:
            self.blobs += self._stated_params(shapes)
            return
        for shape, filler in zip(shapes, self.fillers(), strict=True):
            blob = Blob(shape)
            try:
                fill(blob, filler)
            except ValueError as error:
                raise ValueError(f"layer '{self.layer_param.name}': {error}") from error
            self.blobs.append(blob)

    def _stated_params(self, shapes: list[Shape]) -> list[Blob]:
        arrays = [blob_array(blob) for blob in self.layer_param.blobs]
        if [array.shape for array in arrays] != [tuple(shape) for shape in shapes]:
            stated = ", ".join(str(array.shape) for array in arrays)
            raise ValueError(
                f"layer '{self.layer_param.name}': its blobs in the prototxt have the shapes {stated},"
                f" but it takes {', '.join(str(tuple(shape)) for shape in shapes)}"
            )
        blobs = [Blob(array.shape) for array in arrays]
        for blob, array in zip(blobs, arrays, strict=True):
            blob.data[...] = array
        return blobs

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give the tops the shapes that follow from the bottoms'; a layer without bottoms keeps its own."""
        if not bottom:
            return
        shapes, _ = self.top_shapes([blob.shape for blob in bottom])
        for blob, shape in zip(top, shapes, strict=True):
            blob.reshape(*shape)

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        """Compute the tops; with `keep_graph`, remember what run_backward needs."""
        wanted = keep_graph and self._has_gradient()
        inputs, params, outputs = self._compute(bottom, top, wanted)
        self._saved = (inputs, params, outputs) if wanted else None
        for blob, output in zip(top, outputs, strict=True):
            blob.value = output.detach()

    def _compute(self, bottom: Sequence[Blob], top: Sequence[Blob], wanted: bool) -> Saved:
        inputs = [
            _input(blob, wanted and blob in top).requires_grad_(wanted and down)
            for blob, down in zip(bottom, self.propagate_down, strict=True)
        ]
        params = [
            blob.value.detach().requires_grad_(wanted and down)
            for blob, down in zip(self.blobs, self.param_propagate_down, strict=True)
        ]
        with torch.set_grad_enabled(wanted):
            outputs = self.forward(inputs, params)
        return inputs, params, outputs

    def forget(self) -> None:
        """Free what the last forward pass kept for a backward pass."""
        self._saved = None

    def _has_gradient(self) -> bool:
        return any(self.propagate_down) or any(self.param_propagate_down)

    def run_backward(self, top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        """Overwrite the bottoms' diffs and add to the parameters' diffs, from the tops' diffs."""
        if not self._has_gradient():
            return
        # Without a forward before it, the gradient is that at what the bottoms hold.
        inputs, params, outputs = self._saved or self._compute(bottom, top, True)
        pairs = [(out, blob.grad) for out, blob in zip(outputs, top, strict=True) if out.requires_grad]
        targets = [(t, blob, False) for t, blob in zip(inputs, bottom, strict=True) if t.requires_grad]
        targets += [(t, blob, True) for t, blob in zip(params, self.blobs, strict=True) if t.requires_grad]
        if not pairs or not targets:
            return
        grads = torch.autograd.grad(
            [out for out, _ in pairs],
            [t for t, _, _ in targets],
            [grad for _, grad in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        for (_, blob, is_param), grad in zip(targets, grads, strict=True):
            _store(blob, grad, is_param)


def _input(blob: Blob, in_place: bool) -> torch.Tensor:
    """The values to compute from; for the gradient's sake a copy where the result is written over them."""
    value = blob.value.detach()
    return value.clone() if in_place and blob.shown else value


def _store(blob: Blob, grad: torch.Tensor | None, accumulate: bool) -> None:
    """Bottom diffs are overwritten; parameter diffs accumulate until the solver clears them."""
    if accumulate:
        if grad is not None:
            blob.add_grad(grad)
    elif grad is None:
        blob.grad.zero_()
    else:
        blob.grad = grad
