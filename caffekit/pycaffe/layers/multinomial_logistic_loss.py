"""MultinomialLogisticLoss: of probabilities that another layer computed."""

from __future__ import annotations

import torch

from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer

FLOOR = 1e-20
"""Smaller probabilities count as this one, in the loss and in the gradient."""


class MultinomialLogisticLoss(Layer):
    """loss = −Σ log max(p_label, 1e-20) / N. Bottoms: probabilities (N, C), labels (N) → top ().

    ValueError for a label outside 0 … C−1. (SoftmaxWithLoss is steadier than Softmax and this.)
    """

    type = "MultinomialLogisticLoss"
    loss_weight = 1.0
    no_gradient = (1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        probabilities = bottom[0].flatten(1)
        labels = bottom[1].flatten().long()
        check_labels(labels, probabilities.shape[1], None, self.layer_param.name)
        own = probabilities.gather(1, labels[:, None])
        # The floor changes the value, yet the gradient, −1 / max(p, floor), passes through it.
        own = own + (own.clamp(min=FLOOR) - own).detach()
        return [-torch.log(own).sum() / probabilities.shape[0]]
