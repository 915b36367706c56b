"""Slice: a blob cut along an axis."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class Slice(Layer):
    """Bottom → several tops, cut along an axis at the slice_points, or into equal parts.

    slice_param: axis (1), or the legacy slice_dim; slice_point.
    """

    type = "Slice"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, x = self.layer_param.slice_param, bottom[0]
        axis = param.slice_dim if param.HasField("slice_dim") else param.axis
        sizes = [shape[axis] for shape in self.top_shapes([tuple(x.shape)])[0]]
        # Copies, as in Caffe: what is written into a top must not reach the bottom.
        return [part.clone() for part in torch.split(x, sizes, axis)]
