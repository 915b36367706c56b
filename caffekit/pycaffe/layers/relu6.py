"""ReLU6: a ReLU that stops at 6."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors


class ReLU6(DirectLayer):
    """y = min(max(x, 0) + negative_slope · min(x, 0), 6); the gradient at 6 is 0.

    As rog93/Caffe-MobileNetV2-ReLU6 and its copies (eric612/MobileNet-YOLO) define it; may work in place.
    relu6_param: negative_slope (0).
    """

    type = "ReLU6"

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.slope = fork_param(self.layer_param, "relu6_param").negative_slope

    def formula(self, bottom: Tensors) -> bool:
        return bool(self.slope >= 0)  # else the top does not tell the bottom's sign

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        if not self.slope:
            return [F.hardtanh(bottom[0], 0.0, 6.0, self.in_place)]
        leaky = F.leaky_relu(bottom[0], self.slope, self.in_place)
        return [F.hardtanh(leaky, -math.inf, 6.0)]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        if not self.slope:
            return [torch.ops.aten.hardtanh_backward(grads[0], top[0], 0.0, 6.0)]
        below = torch.ops.aten.leaky_relu_backward(grads[0], top[0], self.slope, True)
        return [below.mul_(top[0] < 6)]
