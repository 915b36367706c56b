"""Reshape and Flatten: the same values in another shape; the top shares the bottom's memory, as in Caffe."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class Reshape(Layer):
    """Bottom → top of another shape with as many values.

    reshape_param: shape (0 copies the bottom's size, −1 takes what is left), axis (0) and num_axes (−1, to
    the end): the axes that shape replaces.
    """

    type = "Reshape"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        x = bottom[0]
        return [x.reshape(self.top_shapes([tuple(x.shape)])[0][0])]


class Flatten(Layer):
    """Bottom → top with the axes from `axis` to `end_axis` as one.

    flatten_param: axis (1), end_axis (−1).
    """

    type = "Flatten"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.flatten_param
        return [bottom[0].flatten(param.axis, param.end_axis)]
