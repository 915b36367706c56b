"""Elementwise activations: y = f(x), same shape; all may work in place."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from caffekit.pycaffe.layer import Layer


class ReLU(Layer):
    """y = max(x, 0) + negative_slope · min(x, 0). The gradient at 0 is negative_slope's.

    relu_param: negative_slope (0).
    """

    type = "ReLU"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        slope = self.layer_param.relu_param.negative_slope
        return [F.leaky_relu(bottom[0], slope) if slope else F.relu(bottom[0])]


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
