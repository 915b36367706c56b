"""SPP: spatial pyramid pooling."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.formats.caffe_pb2 import LayerParameter, PoolingParameter
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.pooling import Pooling


class SPP(Layer):
    """Pools into 1, 4, 16, … bins, so that the top does not depend on the size of the image (He et al. 2014).

    Bottom (N, C, H, W) → top (N, C · bins); with pyramid_height 1, plain global pooling (N, C, 1, 1).
    Level l has 2^l bins a side: kernel and stride ceil(side / bins), padding in equal parts around.
    spp_param: pyramid_height, pool (MAX or AVE).
    """

    type = "SPP"

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.top_shapes([blob.shape for blob in bottom])  # or an error naming the layer

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        x = bottom[0]
        levels = self.layer_param.spp_param.pyramid_height
        pooled = [self._level(x, 1 << level) for level in range(levels)]
        return pooled if levels == 1 else [torch.cat([y.flatten(1) for y in pooled], 1)]

    def _level(self, x: torch.Tensor, bins: int) -> torch.Tensor:
        """Pooled by a Pooling layer of the geometry that gives `bins` bins a side."""
        (kh, kw) = (-(-side // bins) for side in x.shape[2:])
        pooling = PoolingParameter(
            pool=self.layer_param.spp_param.pool,
            kernel_h=kh,
            kernel_w=kw,
            stride_h=kh,
            stride_w=kw,
            pad_h=(kh * bins - x.shape[2] + 1) // 2,
            pad_w=(kw * bins - x.shape[3] + 1) // 2,
        )
        param = LayerParameter(
            name=self.layer_param.name, type="Pooling", bottom=["x"], top=["y"], pooling_param=pooling
        )
        layer = Pooling(param, self.phase)
        layer.setup([])
        return layer.forward([x], [])[0]
