"""LRN: local response normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from caffekit.formats.caffe_pb2 import LRNParameter
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors


class LRN(DirectLayer):
    """y = x · (k + α/n · Σ x²)^−β, the sum over n neighbouring channels (Krizhevsky et al. 2012).

    Bottom (N, C, H, W) → top of the same shape. WITHIN_CHANNEL sums over an n × n window instead (divided by
    its area, padding included), with 1 in the place of k.
    lrn_param: local_size n (5, odd), alpha (1), beta (0.75), k (1), norm_region (ACROSS_CHANNELS).
    """

    type = "LRN"
    needs_bottom = True

    def setup(self, bottom: Sequence[Blob]) -> None:
        size = self.layer_param.lrn_param.local_size
        if size % 2 == 0:
            raise ValueError(
                f"layer '{self.layer_param.name}': LRN only supports odd values for local_size, got {size}"
            )

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, x = self.layer_param.lrn_param, bottom[0]
        self.scale = self._sum(x * x).mul_(self._alpha()).add_(1.0 if self._within() else param.k)
        return [self._power(x)]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        # With s = k + α/n · Σ x²: dx = dy · s^−β − 2αβ/n · x · Σ (dy · y / s); windows are symmetric.
        factor = 2 * self._alpha() * self.layer_param.lrn_param.beta
        ratio = self._sum(grads[0] * top[0] / self.scale)
        return [self._power(grads[0]).sub_(ratio.mul_(bottom[0]), alpha=factor)]

    def _within(self) -> bool:
        return bool(self.layer_param.lrn_param.norm_region == LRNParameter.WITHIN_CHANNEL)

    def _alpha(self) -> float:
        param = self.layer_param.lrn_param
        return float(param.alpha) if self._within() else param.alpha / param.local_size

    def _power(self, x: torch.Tensor) -> torch.Tensor:
        """x · scale^−β."""
        beta = self.layer_param.lrn_param.beta
        if beta != 0.75:
            return x * self.scale.pow(-beta)
        root = self.scale.rsqrt()  # s^−3/4 = s^−1/2 · (s^−1/2)^1/2: much cheaper than a power
        return (root.sqrt() * root).mul_(x)

    def _sum(self, x: torch.Tensor) -> torch.Tensor:
        """Sums over n channels around each; or means over n × n windows, padding included."""
        n = self.layer_param.lrn_param.local_size
        if self._within():
            return F.avg_pool2d(x, n, 1, (n - 1) // 2)
        total = x.clone()
        for distance in range(1, min((n - 1) // 2, x.shape[1] - 1) + 1):
            total[:, distance:] += x[:, :-distance]
            total[:, :-distance] += x[:, distance:]
        return total
