"""Elementwise activations: y = f(x), same shape; all may work in place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from caffekit.pycaffe.direct import DirectLayer, Tensors
from caffekit.pycaffe.layer import Layer


class ReLU(DirectLayer):
    """y = max(x, 0) + negative_slope · min(x, 0). The gradient at 0 is negative_slope's.

    relu_param: negative_slope (0).
    """

    type = "ReLU"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        slope = self.layer_param.relu_param.negative_slope
        if slope:
            return [F.leaky_relu(bottom[0], slope, inplace=self.in_place)]
        return [F.relu(bottom[0], inplace=self.in_place)]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        slope = self.layer_param.relu_param.negative_slope
        if slope:
            return [torch.ops.aten.leaky_relu_backward(grads[0], top[0], slope, slope > 0)]
        return [torch.ops.aten.threshold_backward(grads[0], top[0], 0)]


class Sigmoid(Layer):
    """y = 1 / (1 + exp(−x))."""

    type = "Sigmoid"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [torch.sigmoid(bottom[0])]


class TanH(Layer):
    """y = tanh(x)."""

    type = "TanH"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [torch.tanh(bottom[0])]


class ELU(Layer):
    """y = x for x > 0, else alpha · (exp(x) − 1) (Clevert et al. 2016).

    elu_param: alpha (1).
    """

    type = "ELU"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [F.elu(bottom[0], self.layer_param.elu_param.alpha)]
