"""RNN: a simple recurrent network."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from caffekit.pycaffe.layers.recurrent import Recurrent


class RNN(Recurrent):
    """h = tanh(W_hh (cont · h') + W_xh x + b_h [+ W_xh_static x_static]); o = tanh(W_ho h + b_o).

    Bottoms and tops: see Recurrent; the state is h, the outputs are o.
    Parameters: W_xh (H, D), b_h (H), [W_xh_static], W_hh (H, H), W_ho (H, H), b_o (H).
    recurrent_param: num_output, weight_filler, bias_filler (constant 0), expose_hidden (false).
    """

    type = "RNN"
    states = 1
    step_params = 3

    def fillers(self) -> list[Any]:
        param = self.layer_param.recurrent_param
        weight, bias = param.weight_filler, param.bias_filler
        return [weight, bias, *[weight] * self.has_static(), weight, weight, bias]

    def unroll(
        self,
        inputs: torch.Tensor,
        cont: torch.Tensor,
        states: list[torch.Tensor],
        params: list[torch.Tensor],
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        hidden_weights, output_weights, output_bias = params
        (h,) = states
        outputs = []
        for x, goes_on in zip(inputs, cont, strict=True):
            h = torch.tanh(F.linear(h * goes_on, hidden_weights) + x)
            outputs.append(torch.tanh(F.linear(h, output_weights, output_bias)))
        return outputs, [h]
