"""MarginInnerProduct: the angular margin of A-Softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.labels import check_labels
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.inner_product import unit_rows_

Curve = tuple[torch.Tensor, torch.Tensor]
"""ψ and dψ/dc at the cosines c."""


def _double(c: torch.Tensor) -> Curve:
    s = c.sign()
    return 2 * s * c**2 - 1, 4 * s * c


def _triple(c: torch.Tensor) -> Curve:
    s = (c.abs() - 0.5).sign()
    return s * (4 * c**3 - 3 * c) + c.sign() * (1 + s) - 2, s * (12 * c**2 - 3)


def _quadruple(c: torch.Tensor) -> Curve:
    s = c.sign() * (2 * c**2 - 1).sign()
    psi = s * (8 * c**4 - 8 * c**2 + 1) + 2 * c.sign() + s - 3
    return psi, s * (32 * c**3 - 16 * c)


CURVES: dict[int, Callable[[torch.Tensor], Curve]] = {1: _double, 2: _triple, 3: _quadruple}
"""ψ(θ) = (−1)^k cos(mθ) − 2k on [kπ/m, (k+1)π/m], by the number of the margin type (m = 2, 3, 4)."""


class MarginInnerProduct(Layer):
    """y = x Wᵀ with rows of W of length 1; of the true class |x| (ψ + λ cos θ) / (1 + λ) (Liu et al. 2017).

    As wy1iu/sphereface. Bottoms: features (M, K…), labels (M) → tops (M, num_output), or also λ (1).
    Parameter: weights (num_output, K); each forward normalises them in place.
    λ = max(base · (1 + gamma · i)^−power, lambda_min), i = iteration + the number of forwards so far (which
    snapshots do not hold: set `iteration` to resume).
    The gradients are the fork's, not the formula's: dW = dyᵀ x, and for the true class's part of dx the
    pair (dψ/dc, (ψ − c dψ/dc) / |x|), the factors of w and x, is scaled to length 1.
    margin_inner_product_param: num_output, type (SINGLE = no margin, DOUBLE, TRIPLE, QUADRUPLE: m = 2, 3, 4),
    weight_filler, axis (1), base (1), gamma (0), power (1), iteration (0), lambda_min (0).
    """

    type = "MarginInnerProduct"
    no_gradient = (1,)

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.own = fork_param(self.layer_param, "margin_inner_product_param")
        self.iteration = self.own.iteration

    def fillers(self) -> list[Any]:
        return [self.own.weight_filler]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        own = self.own
        self.iteration += 1
        softness = max(own.base * (1 + own.gamma * self.iteration) ** -own.power, own.lambda_min)
        unit_rows_(params[0])
        labels = bottom[1].flatten().long()
        check_labels(labels, own.num_output, None, self.layer_param.name)
        x = bottom[0].flatten(own.axis)
        rows = x.reshape(len(labels), -1)
        y = _Margin.apply(rows, params[0], labels, CURVES.get(own.type), softness)  # type: ignore[no-untyped-call]
        top = y.reshape(*x.shape[:-1], own.num_output)
        return [top, torch.full((1,), softness, device=y.device)][: len(self.layer_param.top)]


class _Margin(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        labels: torch.Tensor,
        curve: Callable[[torch.Tensor], Curve] | None,
        softness: float,
    ) -> torch.Tensor:
        y = x @ weight.t()
        if curve is None:
            ctx.save_for_backward(x, weight)
            return y
        norm = x.norm(dim=1)
        index = labels.unsqueeze(1)
        own = y.gather(1, index).squeeze(1)
        c = own / norm
        psi, slope = curve(c)
        of_x = (psi - c * slope) / norm
        length = torch.hypot(slope, of_x)
        # What the factors 1 of w and 0 of x become for the true class.
        more_w, more_x = (slope / length - 1) / (1 + softness), of_x / length / (1 + softness)
        ctx.save_for_backward(x, weight, labels, more_w, more_x)
        return y.scatter(1, index, ((psi * norm + softness * own) / (1 + softness)).unsqueeze(1))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        x, weight, *true_class = ctx.saved_tensors
        dy = grads[0]
        dx = dy @ weight if ctx.needs_input_grad[0] else None
        dw = dy.t() @ x if ctx.needs_input_grad[1] else None
        if dx is not None and true_class:
            labels, more_w, more_x = true_class
            own = dy.gather(1, labels.unsqueeze(1))
            dx += own * (more_w.unsqueeze(1) * weight[labels] + more_x.unsqueeze(1) * x)
        return dx, dw, None, None, None
