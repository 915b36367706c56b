"""HingeLoss: one margin against all."""

from __future__ import annotations

import torch

from caffekit.formats.caffe_pb2 import HingeLossParameter
from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer


class HingeLoss(Layer):
    """loss = Σ max(0, 1 − s x)^p / N, where s is 1 for the label's score and −1 for all others.

    Bottoms: scores (N, C), labels (N) → top (). p is 1 (L1) or 2 (L2).
    hinge_loss_param: norm (L1).
    ValueError for a label outside 0 … C−1.
    """

    type = "HingeLoss"
    loss_weight = 1.0
    no_gradient = (1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        scores = bottom[0].flatten(1)
        labels = bottom[1].flatten().long()
        check_labels(labels, scores.shape[1], None, self.layer_param.name)
        sign = torch.ones_like(scores).scatter_(1, labels[:, None], -1.0)
        margins = torch.relu(1 + sign * scores)
        if self.layer_param.hinge_loss_param.norm == HingeLossParameter.L2:
            margins = margins * margins
        return [margins.sum() / scores.shape[0]]
