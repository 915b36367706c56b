"""Normalize: vectors along the channels scaled to length 1."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.graph.rules_forks import fork_param
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer


class Normalize(Layer):
    """y = x / norm over the channels at each position: sqrt(Σ x² + 1e-6), or Σ |x| + 1e-6.

    As happynear/caffe-windows (NormFace, AM-Softmax), whose GPU code adds 1e-12 instead of the first 1e-6.
    Bottom (N, C, H, W) or less → top of always four axes, or also the norms (N, 1, H, W).
    normalize_param: normalize_type (L2, or L1), bp_norm (false: the second top gets no gradient back).
    ValueError for fix_gradient, and for norm_param: SSD's layer of this name is another one.
    """

    type = "Normalize"

    def setup(self, bottom: Sequence[Blob]) -> None:
        name = self.layer_param.name
        self.own = fork_param(self.layer_param, "normalize_param")
        if self.own.normalize_type not in ("L1", "L2"):
            raise ValueError(
                f"layer '{name}': normalize_type is {self.own.normalize_type}, expected L1 or L2"
            )
        if self.own.fix_gradient:
            raise ValueError(f"layer '{name}': fix_gradient is not supported (leave it out)")
        if "norm_param" in self.layer_param.DESCRIPTOR.fields_by_name and self.layer_param.HasField(
            "norm_param"
        ):
            raise ValueError(
                f"layer '{name}': norm_param makes this SSD's Normalize, which is not supported yet;"
                " the Normalize of face nets takes normalize_param"
            )

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        x = bottom[0].reshape(*bottom[0].shape, *(1,) * (4 - bottom[0].dim()))
        if self.own.normalize_type == "L2":
            norm = (x.square().sum(1, keepdim=True) + 1e-6).sqrt()
        else:
            norm = x.abs().sum(1, keepdim=True) + 1e-6
        return [x / norm, norm if self.own.bp_norm else norm.detach()][: len(self.layer_param.top)]
