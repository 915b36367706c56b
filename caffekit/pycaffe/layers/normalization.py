"""What a loss is divided by."""

from __future__ import annotations

from typing import Any

import torch

from caffekit.formats.caffe_pb2 import LossParameter


def mode_of(loss_param: Any, default: Any) -> Any:
    """The normalization mode: `normalization`, else the legacy `normalize`, else the layer's default."""
    if loss_param.HasField("normalization"):
        return loss_param.normalization
    if loss_param.HasField("normalize"):
        return LossParameter.VALID if loss_param.normalize else LossParameter.BATCH_SIZE
    return default


def normaliser(mode: Any, valid: torch.Tensor, outer: int) -> float:
    """The divisor: all items (FULL), those not ignored (VALID), the batch (BATCH_SIZE) or 1 (NONE).

    `valid` says of every item whether it counts; `outer` is the size of the batch. At least 1.
    """
    if mode == LossParameter.FULL:
        return max(1.0, float(valid.numel()))
    if mode == LossParameter.BATCH_SIZE:
        return max(1.0, float(outer))
    return 1.0 if mode == LossParameter.NONE else max(1.0, float(valid.sum()))
