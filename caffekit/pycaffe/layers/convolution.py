"""Convolution over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.graph.shapes import spatial
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer

CONVOLUTIONS = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}


class Convolution(Layer):
    """Cross-correlation with learned filters; output size (H + 2 pad − (dilation (k−1) + 1)) / stride + 1.

    Bottoms (N, C, H, W), all of one shape → as many tops (N, num_output, H', W'), one filter bank for all.
    Parameters: weights (num_output, C / group, k…), bias (num_output).
    convolution_param: num_output, kernel_size, stride (1), pad (0), dilation (1) (each once, per axis, or
    by _h/_w), group (1), bias_term (true), weight_filler, bias_filler (constant 0), axis (1).
    """

    type = "Convolution"

    def setup(self, bottom: Sequence[Blob]) -> None:
        axes = len(bottom[0].shape) - 2
        if axes not in CONVOLUTIONS:
            raise ValueError(
                f"layer '{self.layer_param.name}': Convolution over {axes} spatial axes is not supported"
                f" (bottom shape {bottom[0].shape}; expected 1 to 3 spatial axes)"
            )
        self.convolve = CONVOLUTIONS[axes]
        self.geometry = spatial(self.layer_param, axes)

    def fillers(self) -> list[Any]:
        param = self.layer_param.convolution_param
        return [param.weight_filler, param.bias_filler][: 1 + param.bias_term]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, g = self.layer_param.convolution_param, self.geometry
        bias = params[1] if param.bias_term else None
        return [self.convolve(x, params[0], bias, g.stride, g.pad, g.dilation, param.group) for x in bottom]
