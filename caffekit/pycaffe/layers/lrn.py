"""LRN: local response normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from caffekit.formats.caffe_pb2 import LRNParameter
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer


class LRN(Layer):
    """y = x · (k + α/n · Σ x²)^−β, the sum over n neighbouring channels (Krizhevsky et al. 2012).

    Bottom (N, C, H, W) → top of the same shape. WITHIN_CHANNEL sums over an n × n window instead (divided by
    its area, padding included), with 1 in the place of k.
    lrn_param: local_size n (5, odd), alpha (1), beta (0.75), k (1), norm_region (ACROSS_CHANNELS).
    """

    type = "LRN"

    def setup(self, bottom: Sequence[Blob]) -> None:
        size = self.layer_param.lrn_param.local_size
        if size % 2 == 0:
            raise ValueError(
                f"layer '{self.layer_param.name}': LRN only supports odd values for local_size, got {size}"
            )

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, x = self.layer_param.lrn_param, bottom[0]
        n = param.local_size
        if param.norm_region == LRNParameter.WITHIN_CHANNEL:
            mean = F.avg_pool2d(x * x, n, 1, (n - 1) // 2)
            return [x * (1 + param.alpha * mean).pow(-param.beta)]
        return [F.local_response_norm(x, n, param.alpha, param.beta, param.k)]
