"""SigmoidCrossEntropyLoss: a logistic loss for every output."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from caffekit.formats.caffe_pb2 import LossParameter
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.normalization import mode_of, normaliser


class SigmoidCrossEntropyLoss(Layer):
    """loss = −Σ (t log σ(x) + (1 − t) log(1 − σ(x))) / normaliser.

    Bottoms: scores (N, …), targets in [0, 1] of as many values → top (). Targets have no gradient.
    loss_param: ignore_label (compared with the target cut to an integer, so 0 ignores every t < 1),
    normalization (BATCH_SIZE; FULL, VALID, NONE), or legacy normalize (true = VALID, false = BATCH_SIZE).
    """

    type = "SigmoidCrossEntropyLoss"
    loss_weight = 1.0
    no_gradient = (1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        scores, param = bottom[0], self.layer_param.loss_param
        targets = bottom[1].reshape(scores.shape)
        losses = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        valid = torch.ones_like(targets, dtype=torch.bool)
        if param.HasField("ignore_label"):
            valid = targets.int() != param.ignore_label
            losses = losses.where(valid, 0)
        divisor = normaliser(mode_of(param, LossParameter.BATCH_SIZE), valid, scores.shape[0])
        return [losses.sum() / divisor]
