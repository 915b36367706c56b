"""Eltwise: sum, product or maximum of several blobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.formats.caffe_pb2 import EltwiseParameter
from caffekit.pycaffe.direct import DirectLayer, Tensors


class Eltwise(DirectLayer):
    """Element by element: Σ coeff · x, Π x, or max x.

    Bottoms of one shape → top of that shape.
    eltwise_param: operation (SUM), coeff (1 each, SUM only), stable_prod_grad (true). Without it the gradient
    of PROD is y / x, which is nan where x is 0. The gradient of a maximum goes to one bottom: at a tie of the
    first two to the second, and to a later one only if it is greater.
    """

    type = "Eltwise"

    def formula(self, bottom: Tensors) -> bool:
        return bool(self.layer_param.eltwise_param.operation == EltwiseParameter.SUM)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.eltwise_param
        if param.operation == EltwiseParameter.MAX:
            return [_maximum(bottom)]
        if param.operation == EltwiseParameter.PROD and not param.stable_prod_grad:
            return [_UnstableProduct.apply(*bottom)]  # type: ignore[no-untyped-call]
        if param.operation == EltwiseParameter.PROD:
            y = bottom[0] * bottom[1]
            for x in bottom[2:]:
                y = y * x
            return [y]
        coefficients = self._coefficients()
        y = bottom[0] if coefficients[0] == 1 else bottom[0] * coefficients[0]
        for x, coefficient in zip(bottom[1:], coefficients[1:], strict=True):
            y = torch.add(y, x, alpha=coefficient)
        return [y]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        return [grads[0] if factor == 1 else grads[0] * factor for factor in self._coefficients()]

    def _coefficients(self) -> list[float]:
        return list(self.layer_param.eltwise_param.coeff) or [1.0] * len(self.layer_param.bottom)


def _maximum(bottom: list[torch.Tensor]) -> torch.Tensor:
    y = torch.where(bottom[0] > bottom[1], bottom[0], bottom[1])
    for x in bottom[2:]:
        y = torch.where(x > y, x, y)
    return y


class _UnstableProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *bottom: torch.Tensor) -> torch.Tensor:
        y = bottom[0].clone()
        for x in bottom[1:]:
            y *= x
        ctx.save_for_backward(y, *bottom)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        y, *bottom = ctx.saved_tensors
        return tuple(y / x * grads[0] for x in bottom)
