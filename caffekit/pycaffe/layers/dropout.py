"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.pycaffe.direct import DirectLayer, Tensors
from caffekit.pycaffe.mode import rng


class Dropout(DirectLayer):
    """In TRAIN, y = x / (1 − ratio) with probability 1 − ratio, else 0; in TEST, y = x.

    Bottom → top of the same shape; may work in place.
    dropout_param: dropout_ratio (0.5).
    """

    type = "Dropout"
    factors: torch.Tensor | None = None
    """0 or 1 / (1 − ratio) for each element of the last forward; None in TEST."""

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        ratio = self.layer_param.dropout_param.dropout_ratio
        x = bottom[0]
        if self.phase != TRAIN:
            self.factors = None
            return [x if self.in_place else x.clone()]
        if x.device.type == "cpu":
            keep = torch.from_numpy(rng().bernoulli(1 - ratio, x.numel())).reshape(x.shape)
        else:  # BVLC draws from cuRAND there
            keep = torch.rand_like(x) > ratio
        self.factors = keep * (1 / (1 - ratio))
        return [x.mul_(self.factors) if self.in_place else x * self.factors]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        return [grads[0] if self.factors is None else grads[0] * self.factors]
