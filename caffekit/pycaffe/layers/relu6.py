"""ReLU6: a ReLU that stops at 6."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.layer import Layer


class ReLU6(Layer):
    """y = min(max(x, 0) + negative_slope · min(x, 0), 6); the gradient at 6 is 0.

    As rog93/Caffe-MobileNetV2-ReLU6 and its copies (eric612/MobileNet-YOLO) define it; may work in place.
    relu6_param: negative_slope (0).
    """

    type = "ReLU6"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        slope = fork_param(self.layer_param, "relu6_param").negative_slope
        if not slope:
            return [F.relu6(bottom[0])]
        return [F.hardtanh(F.leaky_relu(bottom[0], slope), -math.inf, 6.0)]
