"""Filter: some items of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.layer import Layer


class Filter(Layer):
    """Bottoms (N, …) and last a selector (N) → tops with the items whose selector is not 0, perhaps none.

    Until the first forward the tops are as large as the bottoms. The selector has no gradient.
    """

    type = "Filter"

    def setup(self, bottom: Sequence[Blob]) -> None:
        self.no_gradient = (len(bottom) - 1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        chosen = bottom[-1].flatten() != 0
        return [x[chosen] for x in bottom[:-1]]
