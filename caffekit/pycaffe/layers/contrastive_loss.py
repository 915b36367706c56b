"""ContrastiveLoss: pairs of one kind together, others apart."""

from __future__ import annotations

from typing import Any

import torch

from caffekit.pycaffe.layer import Layer


class ContrastiveLoss(Layer):
    """loss = Σ (y d² + (1 − y) max(margin − d, 0)²) / (2 N), d = |a − b| (Hadsell et al. 2006).

    Bottoms: features a and b (N, C), y (N), 1 for pairs of one kind → top (). y has no gradient.
    contrastive_loss_param: margin (1), legacy_version (false; max(margin − d², 0) for other pairs).
    """

    type = "ContrastiveLoss"
    loss_weight = 1.0
    no_gradient = (2,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.contrastive_loss_param
        difference = (bottom[0] - bottom[1].reshape(bottom[0].shape)).flatten(1)
        same = bottom[2].flatten().int() != 0
        squared = (difference * difference).sum(1)
        if param.legacy_version:
            other = torch.relu(param.margin - squared)
        else:
            other = _Apart.apply(difference, param.margin)  # type: ignore[no-untyped-call]
        return [torch.where(same, squared, other).sum() / (2 * difference.shape[0])]


class _Apart(torch.autograd.Function):
    """max(margin − d, 0)², with Caffe's gradient, which divides by d + 0.0001."""

    @staticmethod
    def forward(ctx: Any, difference: torch.Tensor, margin: float) -> torch.Tensor:
        distance = difference.pow(2).sum(1).sqrt()
        gap = torch.relu(margin - distance)
        ctx.save_for_backward(difference, gap / (distance + 1e-4))
        return gap * gap

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        difference, slope = ctx.saved_tensors
        return -2 * difference * (slope * grads[0])[:, None], None
