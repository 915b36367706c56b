"""Pooling: maxima or averages over windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from caffekit.formats.caffe_pb2 import PoolingParameter
from caffekit.graph.shapes import Spatial, pooling_geometry
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors, in_order

FLT_MAX = float(np.finfo(np.float32).max)


class Pooling(DirectLayer):
    """Maxima or averages over windows of kernel_size, stride apart.

    Bottom (N, C, H, W) → top (N, C, H', W') with H' = ceil((H + 2 pad − k) / stride) + 1 (floor with
    round_mode FLOOR), less one where the last window would start in the padding. AVE divides by the
    window clipped to the padded image, so padding counts and overhang does not.
    A window without any pixel gives −FLT_MAX (MAX) or 0/0 and ±0 (AVE), as in Caffe.
    pooling_param: pool (MAX), kernel_size, stride (1), pad (0), their _h/_w forms, global_pooling,
    round_mode (CEIL).
    """

    type = "Pooling"
    shape: tuple[int, ...] = ()
    """The bottom's, for which size, geometry and as_torch hold."""

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.average = self.layer_param.pooling_param.pool == PoolingParameter.AVE
        if self.layer_param.pooling_param.pool == PoolingParameter.STOCHASTIC:
            raise ValueError(
                f"layer '{self.layer_param.name}': STOCHASTIC pooling is not implemented on the CPU"
            )

    def formula(self, bottom: Tensors) -> bool:
        # torch's ceil mode is Caffe's rule except where it refuses the padding, or where stride > kernel
        # leaves windows beyond the image.
        shape = tuple(bottom[0].shape)
        if shape != self.shape:
            self.shape, self.size = shape, self.top_shapes([shape])[0][0][2:]
            self.geometry = g = pooling_geometry(self.layer_param, shape)
            same = all(2 * p <= k and s <= k for k, s, p in zip(g.kernel, g.stride, g.pad, strict=True))
            self.as_torch = same and _torch_size(shape[2:], g) == tuple(self.size)
        return self.as_torch

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        if not self.formula(bottom):
            return [self._any_geometry(bottom[0], self.size, self.geometry)]
        g, x = self.geometry, in_order(bottom[0])
        if self.average:
            return [F.avg_pool2d(x, g.kernel, g.stride, g.pad, ceil_mode=True)]
        return [self._maximum(x)]

    def _maximum(self, x: torch.Tensor) -> torch.Tensor:
        g = self.geometry
        args = (g.kernel, g.stride, g.pad, [1, 1], True)
        y, self.indices = torch.ops.aten.max_pool2d_with_indices(x, *args)
        if not math.isfinite(y.sum().item()):  # in Caffe nan never wins, and −FLT_MAX beats −inf
            x = x.nan_to_num(nan=-FLT_MAX, posinf=math.inf, neginf=-FLT_MAX)
            y, self.indices = torch.ops.aten.max_pool2d_with_indices(x, *args)
        result: torch.Tensor = y
        return result

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        g, grad, x = self.geometry, in_order(grads[0]), in_order(bottom[0])
        if self.average:
            return [torch.ops.aten.avg_pool2d_backward(grad, x, g.kernel, g.stride, g.pad, True, True, None)]
        args = (g.kernel, g.stride, g.pad, [1, 1], True, self.indices)
        return [torch.ops.aten.max_pool2d_with_indices_backward(grad, x, *args)]

    def _any_geometry(self, x: torch.Tensor, size: Sequence[int], g: Spatial) -> torch.Tensor:
        """Pad or cut so that exactly `size` windows fit, then pool without padding."""
        (kh, kw), (sh, sw), (ph, pw) = g.kernel, g.stride, g.pad
        bottom = (size[0] - 1) * sh + kh - ph - x.shape[2]
        right = (size[1] - 1) * sw + kw - pw - x.shape[3]
        padded = F.pad(x, (pw, right, ph, bottom), value=0.0 if self.average else -FLT_MAX)
        if not self.average:
            return F.max_pool2d(padded, g.kernel, g.stride)
        sums = F.avg_pool2d(padded, g.kernel, g.stride, divisor_override=1)
        area = np.outer(
            _clipped(size[0], kh, sh, ph, x.shape[2]), _clipped(size[1], kw, sw, pw, x.shape[3])
        ).astype(np.float32)
        return sums / torch.from_numpy(area).to(x.device)


def _clipped(
    size: int, kernel: int, stride: int, pad: int, length: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Lengths of the windows after clipping to the padded image; ≤ 0 for windows outside."""
    start = np.arange(size) * stride - pad
    return np.minimum(start + kernel, length + pad) - start


def _torch_size(size: Sequence[int], g: Spatial) -> tuple[int, ...]:
    out = []
    for h, k, s, p in zip(size, g.kernel, g.stride, g.pad, strict=True):
        n = -(-(h + 2 * p - k) // s) + 1
        out.append(n - 1 if (n - 1) * s >= h + p else n)
    return tuple(out)
