"""BatchNorm: normalisation by the statistics of the batch, or by those of the batches so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from caffekit.formats.caffe_pb2 import TEST
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors
from caffekit.pycaffe.fillers import constant
from caffekit.pycaffe.joined import Joined


class BatchNorm(DirectLayer):
    """y = (x − mean) / sqrt(variance + eps) per channel, without factors or terms (Scale has those).

    Bottom (N, C, …) → top of the same shape; may work in place.
    Parameters (never learned by the solver): sums of the means (C) and of the unbiased variances (C), and
    their weight (1). The statistics so far are the sums divided by the weight, or 0 while the weight is 0.
    A forward pass with the batch's own statistics (biased variance) multiplies all three by
    moving_average_fraction and adds the batch's, in TEST too.
    batch_norm_param: use_global_stats (true in TEST), moving_average_fraction (0.999), eps (1e-5).
    """

    type = "BatchNorm"
    needs_top = True

    joined: Joined | None = None
    """With the Scale behind it, where both can run as one."""

    def setup(self, bottom: Sequence[Blob]) -> None:
        param = self.layer_param.batch_norm_param
        self.eps = param.eps
        self.use_global_stats = (
            param.use_global_stats if param.HasField("use_global_stats") else self.phase == TEST
        )
        specs = self.layer_param.param
        if any(spec.lr_mult for spec in specs):
            raise ValueError(
                f"layer '{self.layer_param.name}': Cannot configure batch normalization statistics as layer"
                " parameters (give them lr_mult: 0, or no param at all)."
            )
        for _ in range(3 - len(specs)):
            specs.add(lr_mult=0)

    def fillers(self) -> list[Any]:
        return [constant(0)] * 3

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [self.normalise(bottom[0])]

    def normalise(
        self, x: torch.Tensor, factor: torch.Tensor | None = None, term: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The top; also times `factor` plus `term`, per channel, where a Scale asks for it (see Joined)."""
        mean_sum, variance_sum, weight = (blob.value for blob in self.blobs)
        if self.use_global_stats:
            share = torch.where(weight == 0, 0.0, 1 / weight)
            mean, variance = mean_sum * share, variance_sum * share
            self.statistics: tuple[torch.Tensor, ...] = (mean, variance, mean, (variance + self.eps).rsqrt())
            return F.batch_norm(x, mean, variance, factor, term, eps=self.eps)
        # With momentum 1 torch's running statistics are the batch's own mean and unbiased variance.
        mean, variance = torch.zeros_like(mean_sum), torch.zeros_like(variance_sum)
        y, *of_batch = torch.native_batch_norm(x, factor, term, mean, variance, True, 1.0, self.eps)
        self.statistics = (mean, variance, *of_batch)
        if x.numel() == x.shape[1]:
            variance = torch.zeros_like(variance)  # of a single value; torch divides by 0 there
        with torch.no_grad():
            for total, new in ((mean_sum, mean), (variance_sum, variance), (weight, 1.0)):
                total.mul_(self.layer_param.batch_norm_param.moving_average_fraction).add_(new)
        return y

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        if self.joined and self.joined.active:
            self.joined.forward(bottom[0], top[0], keep_graph)
        else:
            super().run_forward(bottom, top, keep_graph)

    def run_backward(self, top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        if self.joined and self.joined.active:
            self.joined.backward(bottom[0], top[0])
        else:
            super().run_backward(top, bottom)

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        deviation = self.statistics[-1]
        ones, zeros = torch.ones_like(deviation), torch.zeros_like(deviation)
        training = not self.use_global_stats
        # The gradient of normalising y, which has mean 0 and deviation 1 already, times 1 / deviation of x:
        # so that x need not be kept.
        grad, _, _ = torch.ops.aten.native_batch_norm_backward(
            *(grads[0], top[0], deviation, zeros, ones, zeros, ones, training, 0.0),
            [True, False, False],
        )
        return [grad]
