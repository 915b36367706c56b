"""Scale and Bias: factors and terms along some axes, learned or given by a second bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors
from caffekit.pycaffe.fillers import constant
from caffekit.pycaffe.joined import Joined
from caffekit.pycaffe.layer import Layer


class Scale(DirectLayer):
    """y = x · factor (+ term), both repeated over the axes that they do not cover.

    Bottom (…), or two: the second one is the factor. Top as the first bottom; may work in place.
    Parameters: factors of shape bottom.shape[axis : axis + num_axes] (with one bottom), then terms of the
    same shape with bias_term.
    scale_param: axis (1), num_axes (1; −1 to the end, 0 a single factor), filler (constant 1), bias_term
    (false), bias_filler (constant 0).
    """

    type = "Scale"
    needs_bottom = True
    joined: Joined | None = None
    """With the BatchNorm before it, which then does all."""

    def fillers(self) -> list[Any]:
        param = self.layer_param.scale_param
        factors = [param.filler if param.HasField("filler") else constant(1)]
        return factors * (len(self.layer_param.bottom) == 1) + [param.bias_filler] * param.bias_term

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        if not (self.joined and self.joined.active):
            super().run_forward(bottom, top, keep_graph)

    def run_backward(self, top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        if not (self.joined and self.joined.active):
            super().run_backward(top, bottom)

    def formula(self, bottom: Tensors) -> bool:
        # A factor for each channel: batch normalisation with mean 0 and deviation 1 has this gradient.
        param = self.layer_param.scale_param
        x = bottom[0]
        return len(bottom) == 1 and x.dim() > 1 and param.axis == 1 and self.blobs[0].shape == x.shape[1:2]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        factor = self.blobs[0].value
        zeros, ones = torch.zeros_like(factor), torch.ones_like(factor)
        grad, *of_params = torch.ops.aten.native_batch_norm_backward(
            *(grads[0], bottom[0], factor, zeros, ones, None, None, False, 0.0), [True, True, True]
        )
        for index, wanted in enumerate(self.param_propagate_down):
            if wanted:
                self.accumulate(index, of_params[index])
        return [grad]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.scale_param
        factor, *terms = [*bottom[1:], *params]
        x, factor = bottom[0], along(factor, bottom[0], param.axis)
        return [torch.addcmul(along(terms[0], x, param.axis), x, factor) if terms else x * factor]


class Bias(Layer):
    """y = x + term, repeated over the axes that it does not cover.

    Bottom (…), or two: the second one is the term. Top as the first bottom; may work in place.
    Parameters: terms of shape bottom.shape[axis : axis + num_axes] (with one bottom).
    bias_param: axis (1), num_axes (1; −1 to the end, 0 a single term), filler (constant 0).
    """

    type = "Bias"

    def fillers(self) -> list[Any]:
        return [self.layer_param.bias_param.filler] * (len(self.layer_param.bottom) == 1)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        (term,) = [*bottom[1:], *params]
        return [bottom[0] + along(term, bottom[0], self.layer_param.bias_param.axis)]


def along(values: torch.Tensor, x: torch.Tensor, axis: int) -> torch.Tensor:
    """`values`, with axes of size 1 behind so that it covers the axes of `x` from `axis` on."""
    if not values.dim():
        return values
    return values.reshape(values.shape + (1,) * (x.dim() - axis % x.dim() - values.dim()))
