"""Reduction: one value in place of the last axes."""

from __future__ import annotations

import torch

from caffekit.formats.caffe_pb2 import ReductionParameter
from caffekit.pycaffe.layer import Layer

OPERATIONS = {
    ReductionParameter.SUM: lambda x: x.sum(-1),
    ReductionParameter.ASUM: lambda x: x.abs().sum(-1),
    ReductionParameter.SUMSQ: lambda x: (x * x).sum(-1),
    ReductionParameter.MEAN: lambda x: x.mean(-1),
}


class Reduction(Layer):
    """Bottom → top: coeff · the sum (or the sum of |x|, of x², or the mean) over all axes from `axis` on.

    reduction_param: operation (SUM), axis (0), coeff (1).
    """

    type = "Reduction"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, x = self.layer_param.reduction_param, bottom[0]
        kept = x.shape[: param.axis % x.dim()]
        return [OPERATIONS[param.operation](x.reshape(*kept, -1)) * param.coeff]
