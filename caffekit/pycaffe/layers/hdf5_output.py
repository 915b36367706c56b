"""HDF5Output: writes its bottoms to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from caffekit.errors import os_errors
from caffekit.graph.counts import check_counts
from caffekit.pycaffe.batches import naming
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer, Shape
from caffekit.pycaffe.log import log


class HDF5Output(Layer):
    """Bottoms: data and labels (N, …), up to 4 axes → datasets `data` and `label`, each (N, C, H, W).

    hdf5_output_param: file_name, emptied at set-up. Only one forward fits into a file, as in Caffe.
    """

    type = "HDF5Output"
    no_gradient = (-1,)

    def setup(self, bottom: Sequence[Blob]) -> None:
        import h5py

        check_counts(self.layer_param)
        self.file: str = self.layer_param.hdf5_output_param.file_name
        with naming(self.layer_param.name), os_errors("Failed to open HDF5 file", self.file):
            Path(self.file).touch()  # whose errors say more in fewer words than HDF5's
            h5py.File(self.file, "w").close()

    def top_shapes(self, bottom: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        return [], []

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        name = self.layer_param.name
        shapes = [tuple(tensor.shape) for tensor in bottom]
        if any(len(shape) > 4 for shape in shapes):
            raise ValueError(f"layer '{name}': HDF5Output takes at most 4 axes, got {shapes}")
        if shapes[0][:1] != shapes[1][:1]:
            raise ValueError(
                f"layer '{name}': data blob and label blob must have the same batch size, got {shapes}"
            )
        log("hdf5_output_layer.cpp:33", f"Saving HDF5 file {self.file}")
        self._write(dict(zip(("data", "label"), bottom, strict=True)))
        log("hdf5_output_layer.cpp:38", f"Successfully saved {shapes[0][0] if shapes[0] else 1} rows")
        return []

    def _write(self, datasets: dict[str, Any]) -> None:
        import h5py

        with os_errors("Saving HDF5 file", self.file), h5py.File(self.file, "a") as file:
            if "data" in file:
                raise RuntimeError(
                    f"layer '{self.layer_param.name}': {self.file} holds a batch already; HDF5Output writes"
                    " one forward only: raise the batch size, or build the net again"
                )
            for key, tensor in datasets.items():
                array = tensor.detach().cpu().numpy()
                file[key] = array.reshape(array.shape + (1,) * (4 - array.ndim))
