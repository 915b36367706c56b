"""TripletLoss: anchors nearer to their positives than to their negatives, by a margin."""

from __future__ import annotations

import torch

from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.layer import Layer


class TripletLoss(Layer):
    """loss = Σ max(0, margin + ‖a_i − p_i‖² − ‖a_i − n_i‖²) / 2N, as happynear/caffe-windows.

    The definition that most forks share (ducha-aiki/caffe, sanpingzhou/Person-Re-ID; those with one bottom
    of mined or interleaved triplets are other layers of this name, and an error here).
    Bottoms: anchors, positives, negatives, all (N, K…) → top ().
    triplet_loss_param: margin (1).
    """

    type = "TripletLoss"
    loss_weight = 1.0

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        margin = fork_param(self.layer_param, "triplet_loss_param").margin
        anchor, positive, negative = (x.flatten(1) if x.dim() > 1 else x.unsqueeze(1) for x in bottom)
        near = (anchor - positive).square().sum(1)
        far = (anchor - negative).square().sum(1)
        return [torch.relu(margin + near - far).sum() / (2 * len(anchor))]
