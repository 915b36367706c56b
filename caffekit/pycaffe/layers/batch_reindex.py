"""BatchReindex: items of a batch, chosen, repeated and reordered."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class BatchReindex(Layer):
    """Bottoms (N, …) and indices (M) → top (M, …). The indices have no gradient.

    ValueError for an index that is not one of 0 … N−1.
    """

    type = "BatchReindex"
    no_gradient = (1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        x, index = bottom[0], bottom[1].long()
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < len(x):
            raise ValueError(
                f"layer '{self.layer_param.name}': indices {index.tolist()} are not all in 0 … {len(x) - 1}"
            )
        return [x[index]]
