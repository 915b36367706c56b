"""InfogainLoss: a softmax loss in which every confusion has its own weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caffekit.formats.binaryproto import read_blob
from caffekit.formats.caffe_pb2 import LossParameter
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.normalization import mode_of, normaliser

FLOOR = 1e-20
"""Smaller probabilities count as this one in the loss."""


class InfogainLoss(Layer):
    """loss = −Σ_l H[label, l] log max(softmax(x)_l, 1e-20) / normaliser.

    Bottoms: scores (N, C, …), labels (N, …), perhaps H (C × C values) → top (), or also the probabilities.
    The gradient is p ΣH[label, :] − H[label, :]. Labels and H have none.
    infogain_loss_param: source (a .binaryproto with H, unless a third bottom brings it), axis (1).
    loss_param: ignore_label, normalization (VALID; FULL, BATCH_SIZE, NONE).
    ValueError for a label outside 0 … C−1.
    """

    type = "InfogainLoss"
    loss_weight = 1.0
    no_gradient = (1, 2)

    def setup(self, bottom: Sequence[Blob]) -> None:
        param, name = self.layer_param.infogain_loss_param, self.layer_param.name
        if self.layer_param.loss_param.HasField("normalize"):
            raise ValueError(f"layer '{name}': normalize is deprecated. use \"normalization\"")
        self.matrix: torch.Tensor | None = None
        if len(bottom) < 3:
            if not param.source:
                raise ValueError(f"layer '{name}': Infogain matrix source must be specified.")
            self.matrix = torch.from_numpy(read_blob(Path(param.source)).copy())
        classes = bottom[0].shape[param.axis]
        values = bottom[2].count if self.matrix is None else self.matrix.numel()
        if values != classes**2:
            raise ValueError(f"layer '{name}': H has {values} values, {classes} classes take {classes**2}")

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        axis, loss_param = self.layer_param.infogain_loss_param.axis, self.layer_param.loss_param
        scores = bottom[0].movedim(axis, -1)
        classes = scores.shape[-1]
        labels = bottom[1].reshape(scores.shape[:-1]).long()
        ignore = loss_param.ignore_label if loss_param.HasField("ignore_label") else None
        check_labels(labels, classes, ignore, self.layer_param.name)
        valid = torch.ones_like(labels, dtype=torch.bool) if ignore is None else labels != ignore
        outer = int(np.prod(bottom[0].shape[: axis % bottom[0].dim()], dtype=np.int64))
        divisor = normaliser(mode_of(loss_param, LossParameter.VALID), valid, outer)
        matrix = bottom[2] if self.matrix is None else self.matrix.to(scores.device)
        weights = matrix.reshape(classes, classes)[labels.where(valid, 0)] * valid.unsqueeze(-1)
        loss, prob = _Infogain.apply(scores, weights, divisor)  # type: ignore[no-untyped-call]
        return [loss, prob.movedim(-1, axis)][: len(self.layer_param.top) or 1]


class _Infogain(torch.autograd.Function):
    """Classes along the last axis; `weights` holds the row of H for each label, 0 where it is ignored."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, weights: torch.Tensor, divisor: float) -> Any:
        prob = torch.softmax(scores, -1)
        ctx.save_for_backward(prob, weights)
        ctx.divisor = divisor
        ctx.mark_non_differentiable(prob)
        return -(weights * torch.log(prob.clamp(min=FLOOR))).sum() / divisor, prob

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        prob, weights = ctx.saved_tensors
        grad = prob * weights.sum(-1, keepdim=True) - weights
        return grad * (grads[0] / ctx.divisor), None, None
