"""SoftmaxWithLoss: the multinomial logistic loss of a softmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from caffekit.formats.caffe_pb2 import LossParameter
from caffekit.pycaffe.direct import DirectLayer, Tensors
from caffekit.pycaffe.labels import check_labels

FLT_MIN = float(np.finfo(np.float32).tiny)  # −log(FLT_MIN) = 87.3365, the largest finite loss of one sample


class SoftmaxWithLoss(DirectLayer):
    """loss = −Σ log max(softmax(x)_label, FLT_MIN) / normaliser.

    Bottoms: scores (N, C, …), labels (N, …) → top (), or also the probabilities (N, C, …).
    The gradient, (softmax(x) − 1_label) / normaliser, does not know of the floor at FLT_MIN.
    softmax_param: axis (1). loss_param: ignore_label, normalization (VALID: by the labels not ignored; FULL,
    BATCH_SIZE, NONE); legacy normalize (true = VALID, false = BATCH_SIZE).
    ValueError for a label outside 0 … C−1, where BVLC reads past the array.
    """

    type = "SoftmaxWithLoss"
    loss_weight = 1.0
    no_gradient = (1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        axis = self.layer_param.softmax_param.axis
        scores = bottom[0].movedim(axis, -1)
        labels = bottom[1].reshape(scores.shape[:-1]).long()
        loss_param = self.layer_param.loss_param
        ignore = loss_param.ignore_label if loss_param.HasField("ignore_label") else None
        check_labels(labels, scores.shape[-1], ignore, self.layer_param.name)
        valid = torch.ones_like(labels, dtype=torch.bool) if ignore is None else labels != ignore
        outer = int(np.prod(bottom[0].shape[: axis % bottom[0].dim()], dtype=np.int64))
        normaliser = self._normaliser(valid, outer)
        prob = torch.softmax(scores, -1)
        index = labels.where(valid, 0).unsqueeze(-1)
        losses = -torch.log(prob.gather(-1, index).squeeze(-1).clamp_(min=FLT_MIN))
        loss = losses.where(valid, 0).sum() / normaliser
        self.state = prob, index, valid, normaliser
        return [loss, prob.movedim(-1, axis)][: len(self.layer_param.top) or 1]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        prob, index, valid, normaliser = self.state
        grad = prob.clone()  # classes along the last axis
        grad.scatter_add_(-1, index, torch.full_like(index, -1, dtype=prob.dtype))
        grad *= valid.unsqueeze(-1)
        return [grad.mul_(grads[0] / normaliser).movedim(-1, self.layer_param.softmax_param.axis), None]

    def _normaliser(self, valid: torch.Tensor, outer: int) -> float:
        param = self.layer_param.loss_param
        mode = param.normalization
        if not param.HasField("normalization") and param.HasField("normalize"):
            mode = LossParameter.VALID if param.normalize else LossParameter.BATCH_SIZE
        counts = {
            LossParameter.FULL: float(valid.numel()),
            LossParameter.BATCH_SIZE: float(outer),
            LossParameter.NONE: 1.0,
        }
        return max(1.0, counts[mode] if mode in counts else float(valid.sum()))
