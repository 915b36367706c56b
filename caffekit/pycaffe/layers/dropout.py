"""Dropout."""

from __future__ import annotations

import torch

from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.pycaffe.layer import Layer


class Dropout(Layer):
    """In TRAIN, y = x / (1 − ratio) with probability 1 − ratio, else 0; in TEST, y = x.

    Bottom → top of the same shape; may work in place.
    dropout_param: dropout_ratio (0.5).
    """

    type = "Dropout"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        ratio = self.layer_param.dropout_param.dropout_ratio
        return [torch.nn.functional.dropout(bottom[0], ratio, training=self.phase == TRAIN)]
