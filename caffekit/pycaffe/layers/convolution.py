"""Convolution over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.graph.shapes import spatial
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors, in_order

CONVOLUTIONS = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}


def spatial_axes(layer_param: Any, shape: tuple[int, ...]) -> int:
    """How many axes come after that of the channels; ValueError unless torch convolves over so many."""
    axes: int = len(shape) - 1 - layer_param.convolution_param.axis % len(shape)
    if axes not in CONVOLUTIONS:
        raise ValueError(
            f"layer '{layer_param.name}': {layer_param.type} over {axes} spatial axes is not supported"
            f" (bottom shape {shape}; expected 1 to 3 spatial axes)"
        )
    return axes


def one_batch(x: torch.Tensor, axes: int) -> torch.Tensor:
    """All axes before the channels' as one; `axes` come after the channels."""
    return x if x.dim() == axes + 2 else x.reshape(-1, *x.shape[-axes - 1 :])


class Convolution(DirectLayer):
    """Cross-correlation with learned filters; output size (H + 2 pad − (dilation (k−1) + 1)) / stride + 1.

    Bottoms (N, C, H, W), all of one shape → as many tops (N, num_output, H', W'), one filter bank for all.
    Parameters: weights (num_output, C / group, k…), bias (num_output).
    convolution_param: num_output, kernel_size, stride (1), pad (0), dilation (1) (each once, per axis, or
    by _h/_w), group (1), bias_term (true), weight_filler, bias_filler (constant 0), axis (1).
    """

    type = "Convolution"

    def setup(self, bottom: Sequence[Blob]) -> None:
        axes = spatial_axes(self.layer_param, bottom[0].shape)
        self.convolve = CONVOLUTIONS[axes]
        self.geometry = spatial(self.layer_param, axes)
        self.group = self.layer_param.convolution_param.group

    def fillers(self) -> list[Any]:
        param = self.layer_param.convolution_param
        return [param.weight_filler, param.bias_filler][: 1 + param.bias_term]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        g, bias = self.geometry, params[1] if len(params) > 1 else None
        tops = []
        for x in bottom:
            batch = in_order(one_batch(x, len(g.kernel)))
            y = self.convolve(batch, params[0], bias, g.stride, g.pad, g.dilation, self.group)
            tops.append(y if y.dim() == x.dim() else y.reshape(*x.shape[: 1 - y.dim()], *y.shape[1:]))
        return tops

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        g, weight = self.geometry, self.blobs[0].value
        axes = len(g.kernel)
        of_weight, of_bias = [*self.param_propagate_down, False][:2]
        below = []
        for x, grad, down in zip(bottom, grads, self.propagate_down, strict=True):
            dx, dw, db = torch.ops.aten.convolution_backward(
                *(in_order(one_batch(grad, axes)), in_order(one_batch(x, axes)), weight, [weight.shape[0]]),
                *(g.stride, g.pad, g.dilation, False, [0] * axes, self.group, [down, of_weight, of_bias]),
            )
            below.append(dx if dx is None else dx.reshape(x.shape))
            for index, gradient in ((0, dw), (1, db)):
                if gradient is not None:
                    self.accumulate(index, gradient)
        return below
