"""CenterLoss: how far features are from the centers of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer


class CenterLoss(Layer):
    """loss = Σ ‖x_i − c_label(i)‖² / 2M, with learned centers c (Wen et al. 2016), as ydwen/caffe-face.

    Bottoms: features (M, K…), labels (M) → top (). Parameter: centers (num_output, K).
    The gradient of the features is the loss's, (x_i − c) / M. That of the centers is not: it is their
    mean-like step Σ_{label(i)=j} (c_j − x_i) / (1 + n_j), n_j items of class j in the batch, whatever the
    loss_weight; the solver makes it a step of size lr · lr_mult.
    center_loss_param: num_output, center_filler, axis (1). distance_type other than L2 (a later addition of
    happynear/caffe-windows): ValueError, as for a label outside 0 … num_output−1.
    """

    type = "CenterLoss"
    loss_weight = 1.0
    no_gradient = (1,)

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.own = fork_param(self.layer_param, "center_loss_param")
        distance = getattr(self.own, "distance_type", "L2")
        if distance != "L2":
            raise ValueError(
                f"layer '{self.layer_param.name}': distance_type {distance} is not supported (use L2)"
            )

    def fillers(self) -> list[Any]:
        return [self.own.center_filler]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        labels = bottom[1].flatten().long()
        check_labels(labels, self.own.num_output, None, self.layer_param.name)
        features = bottom[0].flatten(self.own.axis).reshape(len(labels), -1)
        return [_CenterLoss.apply(features, params[0], labels)]  # type: ignore[no-untyped-call]


class _CenterLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: torch.Tensor, centers: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        away = features - centers[labels]
        ctx.save_for_backward(away, labels)
        ctx.classes = len(centers)
        return away.square().sum() / (2 * len(labels))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        away, labels = ctx.saved_tensors
        of_features = away * (grads[0] / len(labels)) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return of_features, None, None
        step = 1 + torch.bincount(labels, minlength=ctx.classes).to(away.dtype)
        of_centers = away.new_zeros(ctx.classes, away.shape[1]).index_add_(0, labels, away, alpha=-1)
        return of_features, of_centers / step.unsqueeze(1), None
