"""MVN: mean and variance normalisation of every sample."""

from __future__ import annotations

from typing import Any

import torch

from caffekit.pycaffe.layer import Layer


class MVN(Layer):
    """y = (x − mean) / (sqrt(mean of (x − mean)²) + eps), per channel or per sample.

    Bottom (N, C, H, W) → top of the same shape, always 4-D.
    The gradient treats eps as if it were not there, as Caffe's does.
    mvn_param: normalize_variance (true), across_channels (false), eps (1e-9).
    """

    type = "MVN"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.mvn_param
        x = bottom[0].reshape(self.top_shapes([tuple(bottom[0].shape)])[0][0])
        rows = x.reshape(x.shape[0] * (1 if param.across_channels else x.shape[1]), -1)
        if param.normalize_variance:
            y = _Normalised.apply(rows, param.eps)  # type: ignore[no-untyped-call]
        else:
            y = rows - rows.mean(1, keepdim=True)
        return [y.reshape(x.shape)]


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, eps: float) -> torch.Tensor:
        centred = rows - rows.mean(1, keepdim=True)
        deviation = (centred * centred).mean(1, keepdim=True).sqrt() + eps
        y = centred / deviation
        ctx.save_for_backward(y, deviation)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        y, deviation = ctx.saved_tensors
        grad = grads[0]
        along_y = (grad * y).mean(1, keepdim=True)
        return (grad - grad.mean(1, keepdim=True) - y * along_y) / deviation, None
