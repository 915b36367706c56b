"""MemoryData: batches of arrays that the caller holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.data_transformer import Array, DataTransformer
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import device


class MemoryData(Layer):
    """Batches of the arrays given to `reset` (net.set_input_arrays), in order, round and round.

    Tops: data (N, C, H, W) and labels (N at first, then (N, 1, 1, 1), as in Caffe).
    memory_data_param: batch_size, channels, height, width. transform_param has no effect.
    """

    type = "MemoryData"

    def setup(self, bottom: Sequence[Blob]) -> None:
        param, name = self.layer_param.memory_data_param, self.layer_param.name
        if not min(param.batch_size, param.channels, param.height, param.width) > 0:
            raise ValueError(
                f"layer '{name}': batch_size, channels, height, and width must be specified and positive in"
                " memory_data_param"
            )
        # Its random numbers are never used, but drawing them keeps fillers in step with Caffe's.
        DataTransformer(self.layer_param.transform_param, self.phase).init_rand()
        self.arrays: tuple[Array, Array] | None = None
        self.at = 0

    def reset(self, data: Any, labels: Any) -> None:
        """Take batches from `data` (n, C, H, W) and `labels` (n or n, 1, 1, 1) from now on, beginning with 0.

        The arrays are referred to, not copied: what is written to them later is seen. RuntimeError unless
        both are C-contiguous float32 of fitting shapes and n is a multiple of the batch size.
        """
        param = self.layer_param.memory_data_param
        _check("data array", data, (param.channels, param.height, param.width))
        if np.ndim(labels) != 1:
            _check("labels array", labels, (1, 1, 1))
        if len(data) != len(labels):
            raise RuntimeError(
                f"data and labels must have the same first dimension: got {len(data)} and {len(labels)}"
            )
        if not len(data) or len(data) % param.batch_size:
            raise RuntimeError(
                "first dimensions of input arrays must be a multiple of batch size: got"
                f" {len(data)}, batch_size is {param.batch_size}"
            )
        if self.layer_param.HasField("transform_param"):
            log("memory_data_layer.cpp:90", "MemoryData does not transform array data on Reset()", "W")
        self.arrays, self.at = (data, labels.reshape(-1, 1, 1, 1)), 0

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        if self.arrays is None:
            raise RuntimeError(
                f"layer '{self.layer_param.name}': MemoryDataLayer needs to be initialized by calling Reset:"
                " call net.set_input_arrays(data, labels) before the first forward"
            )
        size = self.layer_param.memory_data_param.batch_size
        for blob, array in zip(top, self.arrays, strict=True):
            # A copy: in-place layers write to the blob, and must not write to the caller's array.
            blob.value = torch.tensor(array[self.at : self.at + size], device=device())
        self.at = (self.at + size) % len(self.arrays[0])


def _check(name: str, array: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
        raise RuntimeError(f"{name} must be C contiguous")
    if array.ndim != 4:
        raise RuntimeError(f"{name} must be 4-d, got {array.ndim}-d")
    if array.dtype != np.float32:
        raise RuntimeError(f"{name} must be float32, got {array.dtype}")
    for what, got, wanted in zip(
        ("number of channels", "height", "width"), array.shape[1:], shape, strict=True
    ):
        if got != wanted:
            raise RuntimeError(f"{name} has wrong {what}: got {got}, expected {wanted}")
