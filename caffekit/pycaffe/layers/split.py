"""Split: one blob for several consumers."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class Split(Layer):
    """Every top is the bottom; the bottom's gradient is the sum of the tops'. Nets insert it themselves."""

    type = "Split"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [bottom[0].view_as(bottom[0]) for _ in self.layer_param.top]
