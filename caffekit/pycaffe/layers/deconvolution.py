"""Deconvolution: the transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from caffekit.graph.shapes import spatial
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.convolution import one_batch, spatial_axes

DECONVOLUTIONS = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class Deconvolution(Layer):
    """A convolution the other way round; output size stride (H − 1) + dilation (k − 1) + 1 − 2 pad.

    Bottoms (N, C, H, W), all of one shape → as many tops (N, num_output, H', W'), one filter bank for all.
    Parameters: weights (C, num_output / group, k…), bias (num_output).
    convolution_param: as for Convolution.
    """

    type = "Deconvolution"

    def setup(self, bottom: Sequence[Blob]) -> None:
        axes = spatial_axes(self.layer_param, bottom[0].shape)
        self.deconvolve = DECONVOLUTIONS[axes]
        self.geometry = spatial(self.layer_param, axes)

    def fillers(self) -> list[Any]:
        param = self.layer_param.convolution_param
        return [param.weight_filler, param.bias_filler][: 1 + param.bias_term]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, g = self.layer_param.convolution_param, self.geometry
        bias = params[1] if param.bias_term else None
        options = {"stride": g.stride, "padding": g.pad, "groups": param.group, "dilation": g.dilation}
        tops = []
        for x in bottom:
            y = self.deconvolve(one_batch(x, len(g.kernel)), params[0], bias, **options)
            tops.append(y if y.dim() == x.dim() else y.reshape(*x.shape[: 1 - y.dim()], *y.shape[1:]))
        return tops
