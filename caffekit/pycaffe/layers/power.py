"""Power: (shift + scale · x) ^ power."""

from __future__ import annotations

from typing import Any

import torch

from caffekit.pycaffe.layer import Layer


class Power(Layer):
    """y = (shift + scale · x) ^ power; same shape. In place its gradient is right, unlike BVLC's.

    The gradient is power · scale · y / (shift + scale · x), so nan where that base is 0 (but for the powers
    0, 1 and 2); with power or scale 0 it is 0.
    power_param: power (1), scale (1), shift (0).
    """

    type = "Power"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, x = self.layer_param.power_param, bottom[0]
        if param.power * param.scale == 0:
            return [torch.full_like(x, 1.0 if param.power == 0 else param.shift**param.power)]
        base = x * param.scale if param.scale != 1 else x
        base = base + param.shift if param.shift else base
        if param.power == 1:
            return [base]
        if param.power == 2:
            return [base * base]
        return [_Power.apply(base, param.power)]  # type: ignore[no-untyped-call]


class _Power(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, base: torch.Tensor, power: float) -> torch.Tensor:
        y = base**power
        ctx.save_for_backward(base, y)
        ctx.power = power
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        base, y = ctx.saved_tensors
        return grads[0] * (ctx.power * y / base), None
