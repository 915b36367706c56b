"""Im2col: every window of an image as a column."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from caffekit.graph.shapes import spatial
from caffekit.pycaffe.layer import Layer


class Im2col(Layer):
    """Bottoms (N, C, H, W) → tops (N, C · kh · kw, H', W'): what a convolution multiplies by its filters.

    convolution_param: kernel_size, stride, pad, dilation (as for Convolution), axis (1).
    """

    type = "Im2col"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [self._columns(x) for x in bottom]

    def _columns(self, x: torch.Tensor) -> torch.Tensor:
        """Each spatial axis becomes two (place in the kernel, window); then the places go to the channels."""
        at = self.layer_param.convolution_param.axis % x.dim()
        axes = x.dim() - at - 1
        g = spatial(self.layer_param, axes)
        shape = self.top_shapes([tuple(x.shape)])[0][0]
        x = F.pad(x, [side for pad in reversed(g.pad) for side in (pad, pad)])
        for i in range(axes):
            windows = torch.arange(shape[at + 1 + i], device=x.device) * g.stride[i]
            places = torch.arange(g.kernel[i], device=x.device) * g.dilation[i]
            x = x[(slice(None),) * (at + 1 + 2 * i) + (places[:, None] + windows[None, :],)]
        order = [*range(at + 1), *range(at + 1, x.dim(), 2), *range(at + 2, x.dim(), 2)]
        return x.permute(order).reshape(shape)
