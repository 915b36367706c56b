"""Layers with a gradient formula of their own: quicker than a recorded graph, and with less to keep."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer

Tensors = list[torch.Tensor]


class DirectLayer(Layer):
    """A layer that says how its gradients follow: for the types in which training spends its time.

    As in BVLC Caffe, backward reads the blobs' values of that moment where the type keeps none of its own.
    """

    needs_bottom = False
    """backward reads the bottoms' values, so that an in-place result must not be written over them."""
    needs_top = False
    """backward reads the tops' values: what works in place behind this layer must not overwrite them."""
    in_place = False
    """The result may be written over the bottom; set for each forward."""

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        """The bottoms' gradients (None where propagate_down is false), given the tops'.

        Adds to the parameters' gradients with `self.accumulate`.
        """
        raise NotImplementedError(f"{self.type} has no backward")

    def formula(self, bottom: Tensors) -> bool:
        """Whether `backward` holds for these bottoms; else a graph is recorded, as for other layers."""
        return True

    def accumulate(self, index: int, grad: torch.Tensor) -> None:
        """Add to the gradient of parameter `index`."""
        self.blobs[index].add_grad(grad)

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        self._held = None
        self.in_place = False
        if not self.formula([blob.value for blob in bottom]):
            super().run_forward(bottom, top, keep_graph)
            return
        over = bool(bottom) and bottom[0] in top
        self.in_place = over and not bottom[0].kept and not (keep_graph and self.needs_bottom)
        inputs = [blob.value for blob in bottom]
        with torch.no_grad():
            outputs = self.forward(inputs, [blob.value for blob in self.blobs])
            if over and self.needs_bottom and keep_graph and bottom[0].shown:
                inputs[0] = inputs[0].clone()  # the result is about to be written into this memory
            for blob, output in zip(top, outputs, strict=True):
                blob.value = output
                blob.kept = self.needs_top
        self._saved = None
        if keep_graph and self._has_gradient():
            # What is kept is not what users look at: a layer in place behind this one writes into that.
            self._held = inputs, outputs

    _held: tuple[Tensors, Tensors] | None = None

    def forget(self) -> None:
        super().forget()
        self._held = None

    def _computed(self, values: Tensors) -> tuple[Tensors, Tensors]:
        """What a forward pass would keep: without one, the gradient is that at what the bottoms hold."""
        self.in_place = False
        return values, self.forward(values, [blob.value for blob in self.blobs])

    def run_backward(self, top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        if not self._has_gradient():
            return
        values = [blob.value for blob in bottom]
        if self._held is None and (self._saved is not None or not self.formula(values)):
            super().run_backward(top, bottom)
            return
        above = [blob.grad for blob in top]
        with torch.no_grad():
            self._held = self._held or self._computed(values)
            grads = self.backward(*self._held, above)
        for blob, grad, down in zip(bottom, grads, self.propagate_down, strict=True):
            if down and grad is not None:
                blob.set_grad(grad, borrowed=any(grad is other for other in above))


def in_order(x: torch.Tensor) -> torch.Tensor:
    """`x` in the memory order in which the CPU convolves and pools fastest; its shape stays."""
    if x.dim() == 4 and x.device.type == "cpu":
        return x.contiguous(memory_format=torch.channels_last)
    return x
