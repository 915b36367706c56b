"""Dropout."""

from __future__ import annotations

import torch

from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.mode import rng


class Dropout(Layer):
    """In TRAIN, y = x / (1 − ratio) with probability 1 − ratio, else 0; in TEST, y = x.

    Bottom → top of the same shape; may work in place.
    dropout_param: dropout_ratio (0.5).
    """

    type = "Dropout"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        ratio = self.layer_param.dropout_param.dropout_ratio
        x = bottom[0]
        if self.phase != TRAIN:
            return [x.clone()]
        if x.device.type != "cpu":  # BVLC draws from cuRAND there
            return [torch.nn.functional.dropout(x, ratio)]
        keep = torch.from_numpy(rng().bernoulli(1 - ratio, x.numel())).reshape(x.shape)
        return [x * (keep * (1 / (1 - ratio)))]
