"""EuclideanLoss: half the mean squared distance."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class EuclideanLoss(Layer):
    """loss = Σ (a − b)² / (2 N). Bottoms (N, …) of as many values → top (); both have a gradient."""

    type = "EuclideanLoss"
    loss_weight = 1.0

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        difference = bottom[0] - bottom[1].reshape(bottom[0].shape)
        return [(difference * difference).sum() / (2 * bottom[0].shape[0])]
