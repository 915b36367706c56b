"""Convolutions with a filter of its own for each channel, under the two names that MobileNets use."""

from __future__ import annotations

from collections.abc import Sequence

from caffekit.graph.rules_forks import depthwise_group
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layers.convolution import Convolution


class DepthwiseConvolution(Convolution):
    """Convolution with a group for each channel, as yonghenglh6/DepthwiseConvolution defines it.

    Bottoms, tops, parameters and fields as Convolution: weights (num_output, C / group, kh, kw).
    convolution_param: group (the number of channels, where files of that and other forks leave it out).
    """

    type = "DepthwiseConvolution"

    def setup(self, bottom: Sequence[Blob]) -> None:
        super().setup(bottom)
        self.group = depthwise_group(self.layer_param, bottom[0].shape[1])


class ConvolutionDepthwise(DepthwiseConvolution):
    """One filter per channel, as farmingyard/caffe-mobilenet (conv_dw_layer) defines it.

    Bottom (N, C, H, W) → top (N, C, H', W'). Parameters: weights (C, 1, kh, kw), bias (C).
    convolution_param: as Convolution; num_output and group are not looked at, in the fork either.
    """

    type = "ConvolutionDepthwise"

    def setup(self, bottom: Sequence[Blob]) -> None:
        super().setup(bottom)
        self.group = bottom[0].shape[1]
