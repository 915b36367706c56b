"""Embed: a learned vector for every index."""

from __future__ import annotations

from typing import Any

import torch

from caffekit.pycaffe.layer import Layer


class Embed(Layer):
    """Bottom of indices (…) → top (…, num_output): rows of the weights, plus the bias.

    Parameters: weights (input_dim, num_output), bias (num_output). The indices have no gradient.
    embed_param: num_output, input_dim, bias_term (true), weight_filler and bias_filler (constant 0).
    ValueError for an index that is not one of 0 … input_dim−1.
    """

    type = "Embed"
    no_gradient = (0,)

    def fillers(self) -> list[Any]:
        param = self.layer_param.embed_param
        return [param.weight_filler, param.bias_filler][: 1 + param.bias_term]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        rows, index = self.layer_param.embed_param.input_dim, bottom[0].long()
        bad = (index < 0) | (index >= rows)
        if bad.any():
            raise ValueError(
                f"layer '{self.layer_param.name}': index {int(index[bad][0])} is outside 0 … {rows - 1}"
                " (embed_param input_dim)"
            )
        y = torch.nn.functional.embedding(index, params[0])
        return [y + params[1] if len(params) > 1 else y]
