"""Concat: blobs one after the other along an axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from caffekit.pycaffe.direct import DirectLayer, Tensors, in_order


class Concat(DirectLayer):
    """Bottoms that agree but for one axis → top with all of them along that axis.

    concat_param: axis (1), or the legacy concat_dim.
    """

    type = "Concat"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [torch.cat(bottom, self._axis())]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        parts = torch.split(grads[0], [x.shape[self._axis()] for x in bottom], self._axis())
        return [in_order(part).clone() if len(parts) == 1 else in_order(part) for part in parts]

    def _axis(self) -> int:
        param = self.layer_param.concat_param
        return int(param.concat_dim if param.HasField("concat_dim") else param.axis)
