"""Concat: blobs one after the other along an axis."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class Concat(Layer):
    """Bottoms that agree but for one axis → top with all of them along that axis.

    concat_param: axis (1), or the legacy concat_dim.
    """

    type = "Concat"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.concat_param
        return [torch.cat(bottom, param.concat_dim if param.HasField("concat_dim") else param.axis)]
