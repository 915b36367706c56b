"""Flip: pictures mirrored inside the net."""

from __future__ import annotations

import torch

from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.layer import Layer


class Flip(Layer):
    """y = x mirrored along the width, the height or both, as happynear/caffe-windows.

    Bottom (N, C, H, W) → top of the same shape; not in place.
    flip_param: flip_width (true), flip_height (false).
    """

    type = "Flip"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = fork_param(self.layer_param, "flip_param")
        return [bottom[0].flip([3] * param.flip_width + [2] * param.flip_height)]
