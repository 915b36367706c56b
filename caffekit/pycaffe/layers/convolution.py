"""Convolution over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.graph.shapes import spatial
from caffekit.pycaffe import compiled
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors, in_order
from caffekit.pycaffe.mode import narrow

CONVOLUTIONS = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}

FEW_PIXELS = 8192
"""Of a batch; measured on a processor with AVX2."""


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
        g, weight = self.geometry, narrow(params[0])
        bias = narrow(params[1]) if len(params) > 1 else None
        tops = []
        for x in bottom:
            batch = narrow(in_order(one_batch(x, len(g.kernel))))
            if compiled.fits(batch, weight, g.stride, g.dilation):
                y = compiled.convolve(batch, weight, bias, g.pad, self.group)
            else:
                y = self.convolve(batch, weight, bias, g.stride, g.pad, g.dilation, self.group)
            y = y.float()
            tops.append(y if y.dim() == x.dim() else y.reshape(*x.shape[: 1 - y.dim()], *y.shape[1:]))
        return tops

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        g, weight = self.geometry, narrow(self.blobs[0].value)
        axes = len(g.kernel)
        of_weight, of_bias = [*self.param_propagate_down, False][:2]
        below = []
        for x, grad, down in zip(bottom, grads, self.propagate_down, strict=True):
            batch, grad = (narrow(in_order(one_batch(side, axes))) for side in (x, grad))
            dx, dw, db = self._gradients(batch, weight, grad, [down, of_weight, of_bias])
            below.append(dx if dx is None else dx.float().reshape(x.shape))
            for index, wanted, gradient in ((0, of_weight, dw), (1, of_bias, db)):
                if wanted and gradient is not None:
                    self.accumulate(index, gradient.float())
        return below

    def _gradients(
        self, x: torch.Tensor, weight: torch.Tensor, grad: torch.Tensor, wanted: list[bool]
    ) -> Sequence[torch.Tensor | None]:
        """Of the bottom, the weights and the bias, as far as they are wanted."""
        g = self.geometry
        if compiled.fits(x, weight, g.stride, g.dilation):
            return compiled.convolve_backward(x, weight, grad, g.pad, self.group, wanted)
        found = self._by_matrices(x, grad) if wanted[1] else None
        rest = [wanted[0], False, False] if found else wanted
        dx, *of_params = torch.ops.aten.convolution_backward(
            *(grad, x, weight, [weight.shape[0]], g.stride, g.pad, g.dilation),
            *(False, [0] * len(g.kernel), self.group, rest),
        )
        return [dx, *(found or of_params)]

    def _by_matrices(self, x: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The gradients of weights and bias as matrix products, where oneDNN's convolution takes longer.

        That is for images of one channel (half to a quarter of the time) and for 1×1 filters on few pixels.
        """
        g, rows = self.geometry, grad.movedim(1, -1)
        if x.device.type != "cpu" or x.dim() != 4 or self.group != 1 or x.dtype != torch.float32:
            return None
        if x.shape[1] == 1:
            columns = torch.nn.functional.unfold(x, g.kernel, g.dilation, g.pad, g.stride)
            of_weight = torch.bmm(columns, rows.flatten(1, 2)).sum(0).t()
        elif g.kernel == g.stride == (1, 1) and g.pad == (0, 0) and rows[..., 0].numel() <= FEW_PIXELS:
            of_weight = rows.flatten(0, 2).t() @ x.movedim(1, -1).flatten(0, 2)
        else:
            return None
        return of_weight.reshape(self.blobs[0].shape), rows.sum((0, 1, 2))
