"""InnerProduct: the fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.direct import DirectLayer, Tensors
from caffekit.pycaffe.mode import narrow


def unit_rows_(weight: torch.Tensor, eps: float = 0.0) -> None:
    """Give each row of a parameter length 1, in place, unseen by its gradient: w / sqrt(‖w‖² + eps)."""
    with torch.no_grad():
        weight.div_((weight.square().sum(1, keepdim=True) + eps).sqrt_())


class InnerProduct(DirectLayer):
    """y = x Wᵀ + b.

    Bottom (…, K…) → top (…, num_output): the axes from `axis` on are flattened to K.
    Parameters: weights (num_output, K), or (K, num_output) with transpose; bias (num_output).
    inner_product_param: num_output, bias_term (true), axis (1), transpose (false), weight_filler and
    bias_filler (constant 0: such a layer does not learn, as in Caffe).
    A field of happynear/caffe-windows: normalize (false): each forward first gives the rows of W length 1, in
    place; the gradient does not know of it.
    """

    type = "InnerProduct"

    def setup(self, bottom: Sequence[Blob]) -> None:
        param = self.layer_param.inner_product_param
        self.unit_rows = getattr(param, "normalize", False)
        if self.unit_rows and param.transpose:
            raise ValueError(f"layer '{self.layer_param.name}': normalize with transpose is not supported")

    def fillers(self) -> list[Any]:
        param = self.layer_param.inner_product_param
        return [param.weight_filler, param.bias_filler][: 1 + param.bias_term]

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.inner_product_param
        if self.unit_rows:
            unit_rows_(params[0], 1e-6)
        x = bottom[0].flatten(param.axis)
        weight, *biases = [narrow(each) for each in params]
        weight = weight.t() if param.transpose else weight
        return [torch.nn.functional.linear(narrow(x), weight, *biases).float()]

    def backward(self, bottom: Tensors, top: Tensors, grads: Tensors) -> Sequence[torch.Tensor | None]:
        param, weight = self.layer_param.inner_product_param, narrow(self.blobs[0].value)
        x, grad = narrow(bottom[0].flatten(param.axis)), narrow(grads[0])
        rows, columns = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        if self.param_propagate_down[0]:
            sides = (columns.t(), rows) if param.transpose else (rows.t(), columns)
            if rows.dtype == torch.float32:
                total, beta = self.blobs[0].grad_and_beta()
                torch.addmm(total, *sides, beta=beta, out=total)
            else:
                self.accumulate(0, torch.mm(*sides).float())
        if param.bias_term and self.param_propagate_down[1]:
            self.accumulate(1, rows.sum(0, dtype=torch.float32))
        if not self.propagate_down[0]:
            return [None]
        below = torch.matmul(rows, weight.t() if param.transpose else weight)
        return [below.float().reshape(bottom[0].shape)]
