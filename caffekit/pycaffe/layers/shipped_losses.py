"""The losses of inside_caffe/caffekit_losses.py, which real Caffe runs as Python layers, in torch.

Same names, options, tops, parameters and numbers; formulae and sources stand there. A net says `type:
"Python"` and `module: "caffekit_losses"`: one prototxt for every engine, and no Python that keeps a GPU
waiting in this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi
from typing import Any

import numpy as np
import torch

from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.graph.rules_python import loss_options
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer, Shape

TINY = 1e-12
MILLION = 1e6


class ShippedLoss(Layer):
    """Bottoms: features (N, K…), labels (N)."""

    type = "Python"
    no_gradient = (1,)

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.own = loss_options(self.layer_param)

    def labels(self, bottom: list[torch.Tensor]) -> torch.Tensor:
        """The labels; LabelError for one that is no class."""
        labels = bottom[1].flatten().long()
        check_labels(labels, self.own["classes"], None, self.layer_param.name)
        return labels


class CenterLoss(ShippedLoss):
    """loss = Σ ‖x_i − c_label(i)‖² / 2N, with centers that move by a learning rate of their own, alpha."""

    def make_params(self, shapes: list[Shape]) -> None:
        self.blobs += [Blob(shape) for shape in shapes]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        labels, features = self.labels(bottom), bottom[0].flatten(1)
        return [_Center.apply(features, params[0], labels, self.own["alpha"])]  # type: ignore[no-untyped-call]


class _Center(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: torch.Tensor, centers: torch.Tensor, labels: Any, alpha: float) -> Any:
        away = features - centers[labels]
        ctx.save_for_backward(away, labels)
        ctx.centers, ctx.alpha = centers, alpha
        return (away.square().sum() / (2 * len(labels))).reshape(1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        away, labels = ctx.saved_tensors
        of_features = away * (grads[0] / len(labels)) if ctx.needs_input_grad[0] else None
        count = 1 + torch.bincount(labels, minlength=len(ctx.centers)).to(away.dtype)
        step = torch.zeros_like(ctx.centers).index_add_(0, labels, away, alpha=-1) / count.unsqueeze(1)
        if ctx.alpha:
            ctx.centers.detach().sub_(step, alpha=ctx.alpha)
            step.zero_()
        return of_features, step, None, None


Mined = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Weights of the distances in the sum, triplets within the margin, looked at, and divided by."""


class TripletLoss(ShippedLoss):
    """loss = mean max(0, margin + d(a, p) − d(a, n)) over triplets that are found in the batch."""

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        features, labels = bottom[0].flatten(1), bottom[1].flatten()
        tops = _Triplets.apply(features, labels, self.own["margin"], MINING[self.own["mining"]])  # type: ignore[no-untyped-call]
        return list(tops)[: len(self.layer_param.top)]


class _Triplets(torch.autograd.Function):
    """Loss and share; both (1)."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor, labels: torch.Tensor, margin: float, mine: Any) -> Any:
        x = features.double()  # squared distances are small differences of large numbers
        squares = torch.linalg.vecdot(x, x)
        distance = torch.addmm(squares.unsqueeze(1) + squares, x, x.t(), alpha=-2).clamp_(min=0)
        same = labels.unsqueeze(1) == labels
        pairs = same.clone().fill_diagonal_(False)
        weights, active, looked_at, count = mine(distance, pairs, ~same, margin)
        count = count.clamp(min=1)
        both = weights + weights.t()
        ctx.save_for_backward(features, (both / count).to(features.dtype))
        loss = (torch.vdot(weights.flatten(), distance.flatten()) + margin * active) / count
        share = (active / looked_at.clamp(min=1)).reshape(1).to(features.dtype)
        ctx.mark_non_differentiable(share)
        return loss.reshape(1).to(features.dtype), share

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, both = ctx.saved_tensors
        diff = torch.addmm(both.sum(1, keepdim=True) * x, both, x, alpha=-1)
        return diff.mul_(2 * grads[0]), None, None, None


def _semi_hard(
    distance: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float
) -> Mined:
    a, p = (positive & negative.any(1, keepdim=True)).nonzero(as_tuple=True)
    away, others = distance[a], negative[a]
    further = others & (away > distance[a, p].unsqueeze(1))
    nearest = away.masked_fill(~further, torch.inf).argmin(1)
    furthest = away.masked_fill(~others, -1).argmax(1)
    return _chosen(distance, a, p, torch.where(further.any(1), nearest, furthest), margin)


def _batch_hard(
    distance: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float
) -> Mined:
    (a,) = (positive.any(1) & negative.any(1)).nonzero(as_tuple=True)
    p = distance[a].masked_fill(~positive[a], -1).argmax(1)
    n = distance[a].masked_fill(~negative[a], torch.inf).argmin(1)
    return _chosen(distance, a, p, n, margin)


def _chosen(
    distance: torch.Tensor, a: torch.Tensor, p: torch.Tensor, n: torch.Tensor, margin: float
) -> Mined:
    active = (distance[a, p] - distance[a, n] + margin > 0).to(distance.dtype)
    weights = torch.zeros_like(distance)
    weights.index_put_((a, p), active, accumulate=True).index_put_((a, n), -active, accumulate=True)
    looked_at = active.new_tensor(len(a))
    return weights, active.sum(), looked_at, looked_at


def _batch_all(
    distance: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float
) -> Mined:
    weights = torch.zeros_like(distance)
    for a in range(len(distance)):  # all at once would take N³ values
        active = distance[a].unsqueeze(1) - distance[a] + margin > 0
        active &= positive[a].unsqueeze(1) & negative[a]
        weights[a] = active.sum(1) - active.sum(0)
    of_pairs = weights.clamp(min=0).sum()
    looked_at = (positive.sum(1) * negative.sum(1)).sum()
    return weights, of_pairs, looked_at, of_pairs


MINING: dict[str, Callable[..., Mined]] = {
    "semi-hard": _semi_hard,
    "batch-hard": _batch_hard,
    "batch-all": _batch_all,
}


class Classifier(ShippedLoss):
    """Scores from weights, each row taken at length 1; without a margin in the TEST phase."""

    def make_params(self, shapes: list[Shape]) -> None:
        """The weights from numpy's stream, so that they are real Caffe's; what else there is begins at 0."""
        classes, width = shapes[0]
        random = np.random.RandomState(self.own["seed"])
        self.blobs += [Blob(shape) for shape in shapes]
        self.blobs[0].data[...] = random.uniform(-1, 1, (classes, width)) * np.sqrt(3 / width)


class _Unit(torch.autograd.Function):
    """The rows of a matrix at length 1; the gradient is what is at right angles to each of them."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Any:
        norm = (torch.linalg.vecdot(x, x) + TINY).sqrt_().unsqueeze(1)
        unit = x / norm
        ctx.save_for_backward(unit, norm)
        return unit

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        unit, norm = ctx.saved_tensors
        along = torch.linalg.vecdot(grads[0], unit).unsqueeze(1)
        return torch.addcmul(grads[0], unit, along, value=-1).div_(norm)


def _unit(x: torch.Tensor) -> torch.Tensor:
    unit: torch.Tensor = _Unit.apply(x)  # type: ignore[no-untyped-call]
    return unit


class ASoftmax(Classifier):
    """scores = |x| cos θ, of the true class |x| (λ cos θ + ψ(θ)) / (1 + λ), with λ falling."""

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        own, done = self.own, round(float(self.blobs[1].value[0]) * MILLION)
        if self.phase == TRAIN:
            done += 1
            self.blobs[1].value.fill_(done / MILLION)
        soft = max(own["lambda_min"], own["base"] * (1 + own["gamma"] * done) ** -own["power"])
        x, index = bottom[0].flatten(1), self.labels(bottom).unsqueeze(1)
        norm = (x.square().sum(1, keepdim=True) + TINY).sqrt()
        scores = x @ _unit(params[0]).t()
        if self.phase == TRAIN:
            true = scores.gather(1, index)
            psi = angular(true / norm, int(own["margin"]))
            scores = scores.scatter(1, index, (soft * true + norm * psi) / (1 + soft))
        return [scores, torch.full((1,), soft, device=scores.device)][: len(self.layer_param.top)]


def angular(c: torch.Tensor, margin: int) -> torch.Tensor:
    """ψ(θ) = (−1)^k cos(mθ) − 2k for θ in [kπ/m, (k+1)π/m], from c = cos θ."""
    bounds = torch.tensor([np.cos(k * pi / margin) for k in range(1, margin)], device=c.device)
    k = (c.detach().unsqueeze(-1) < bounds).sum(-1)
    of_multiple = {1: c, 2: 2 * c**2 - 1, 3: 4 * c**3 - 3 * c, 4: 8 * c**4 - 8 * c**2 + 1}[margin]
    return (1 - 2 * (k % 2)) * of_multiple - 2 * k


class AMSoftmax(Classifier):
    """scores = scale · cos θ, of the true class scale · (cos θ − margin)."""

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        scale, labels = self.own["scale"], self.labels(bottom)
        scores = scale * (_unit(bottom[0].flatten(1)) @ _unit(params[0]).t())
        if self.phase == TRAIN:
            index = labels.unsqueeze(1)
            scores = scores.scatter_add(1, index, scores.new_full(index.shape, -scale * self.own["margin"]))
        return [scores]


SHIPPED_LOSSES: dict[str, type[ShippedLoss]] = {
    "AMSoftmax": AMSoftmax,
    "ASoftmax": ASoftmax,
    "CenterLoss": CenterLoss,
    "TripletLoss": TripletLoss,
}
