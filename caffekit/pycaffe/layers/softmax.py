"""Softmax."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class Softmax(Layer):
    """y_c = exp(x_c) / Σ exp(x), along `axis`.

    Bottom → top of the same shape.
    softmax_param: axis (1).
    """

    type = "Softmax"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [torch.softmax(bottom[0], self.layer_param.softmax_param.axis)]
