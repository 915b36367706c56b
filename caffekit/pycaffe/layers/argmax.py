"""ArgMax: where the largest values are."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class ArgMax(Layer):
    """The indices (as floats) of the top_k largest values, largest first; of equal ones the last comes first.

    Bottom (N, …) → top (N, 1, top_k), or with out_max_val (N, 2, top_k): indices, then values. With `axis`:
    top_k entries along that axis, values in place of indices with out_max_val. It has no gradient.
    argmax_param: out_max_val (false), top_k (1), axis.
    """

    type = "ArgMax"
    no_gradient = (-1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param, x = self.layer_param.argmax_param, bottom[0]
        shape = self.top_shapes([tuple(x.shape)])[0][0]
        if param.HasField("axis"):
            values, indices = _largest(x.movedim(param.axis, -1), param.top_k)
            return [(values if param.out_max_val else indices).movedim(-1, param.axis)]
        values, indices = _largest(x.flatten(1), param.top_k)
        parts = [indices, values] if param.out_max_val else [indices]
        return [torch.stack(parts, 1).reshape(shape)]


def _largest(x: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest values along the last axis and their indices; a stable sort of the reversed axis."""
    values, order = torch.sort(x.flip(-1), dim=-1, descending=True, stable=True)
    return values[..., :k], (x.shape[-1] - 1 - order[..., :k]).float()
