"""PReLU."""

from __future__ import annotations

from typing import Any

import torch

from caffekit.pycaffe.fillers import constant
from caffekit.pycaffe.layer import Layer


class PReLU(Layer):
    """y = x for x > 0, else a_c · x, the slope a learned per channel (He et al. 2015).

    Bottom (N, C, …) → top of the same shape. Parameter: slopes (C), or () with channel_shared.
    prelu_param: filler (constant 0.25), channel_shared (false).
    """

    type = "PReLU"

    def fillers(self) -> list[Any]:
        param = self.layer_param.prelu_param
        return [param.filler if param.HasField("filler") else constant(0.25)]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        x = bottom[0]
        slope = params[0].reshape(1, -1, *[1] * (x.dim() - 2))
        return [torch.where(x > 0, x, slope * x)]
