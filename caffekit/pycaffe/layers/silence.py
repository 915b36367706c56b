"""Silence: takes blobs, so that they are not outputs of the net."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer


class Silence(Layer):
    """Bottoms → nothing; their gradient is 0."""

    type = "Silence"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return []

    def run_backward(self, top: Sequence[Blob], bottom: Sequence[Blob]) -> None:
        for blob, down in zip(bottom, self.propagate_down, strict=True):
            if down:
                blob.grad.zero_()
