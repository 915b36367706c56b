"""Split: one blob for several consumers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.pycaffe.direct import DirectLayer, Tensors


class Split(DirectLayer):
    """Every top is the bottom; the bottom's gradient is the sum of the tops'. Nets insert it themselves."""

    type = "Split"
    needs_top = True  # the tops are one memory: in-place layers behind one must leave it to the others

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [bottom[0].view_as(bottom[0]) for _ in self.layer_param.top]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        if len(grads) == 1:
            return grads
        total = grads[0] + grads[1]
        for grad in grads[2:]:
            total += grad
        return [total]
