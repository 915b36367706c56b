"""InnerProduct: the fully connected layer."""

from __future__ import annotations

from typing import Any

import torch

from caffekit.pycaffe.layer import Layer


class InnerProduct(Layer):
    """y = x Wᵀ + b.

    Bottom (…, K…) → top (…, num_output): the axes from `axis` on are flattened to K.
    Parameters: weights (num_output, K), or (K, num_output) with transpose; bias (num_output).
    inner_product_param: num_output, bias_term (true), axis (1), transpose (false), weight_filler and
    bias_filler (constant 0: such a layer does not learn, as in Caffe).
    """

    type = "InnerProduct"

    def fillers(self) -> list[Any]:
        param = self.layer_param.inner_product_param
        return [param.weight_filler, param.bias_filler][: 1 + param.bias_term]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.inner_product_param
        x = bottom[0].flatten(param.axis)
        weight = params[0].t() if param.transpose else params[0]
        return [torch.nn.functional.linear(x, weight, params[1] if param.bias_term else None)]
