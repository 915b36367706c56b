"""Crop: one blob cut to the size of another."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class Crop(Layer):
    """Bottoms: what is cut, and a blob that gives the size → top; axes before `axis` stay whole.

    crop_param: axis (2), offset (0; once, or for every axis from `axis` on).
    """

    type = "Crop"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, x = self.layer_param.crop_param, bottom[0]
        start = param.axis % x.dim()
        offsets = list(param.offset) or [0]
        for axis in range(start, x.dim()):
            offset = offsets[axis - start if len(offsets) > 1 else 0]
            x = x.narrow(axis, offset, bottom[1].shape[axis])
        return [x.clone()]
