"""RNN: a simple recurrent network."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from caffekit.pycaffe.layers.recurrent import Recurrent
from caffekit.pycaffe.layers.unrolled import Unrolled


class RNN(Recurrent):
    """h = tanh(W_hh (cont · h') + W_xh x + b_h [+ W_xh_static x_static]); o = tanh(W_ho h + b_o).

    Bottoms and tops: see Recurrent; the state is h, the outputs are o.
    Parameters: W_xh (H, D), b_h (H), [W_xh_static], W_hh (H, H), W_ho (H, H), b_o (H).
    recurrent_param: num_output, weight_filler, bias_filler (constant 0), expose_hidden (false).
    """

    type = "RNN"
    states = 1

    def unrolled(self, steps: Unrolled) -> Any:
        size = steps.size
        steps.begin("h", ["h_0"], size)
        for t in range(1, steps.steps + 1):
            steps.keep_state(t)
            steps.inner_product(f"W_hh_h_{t - 1}", f"h_conted_{t - 1}", f"W_hh_h_{t - 1}", ["W_hh"], size)
            steps.sum(f"h_input_sum_{t}", f"h_neuron_input_{t}", "h", t)
            steps.add("TanH", f"h_neuron_{t}", [f"h_neuron_input_{t}"], [f"h_{t}"])
            steps.inner_product(f"W_ho_h_{t}", f"h_{t}", f"W_ho_h_{t}", ["W_ho", "b_o"], size)
            steps.add("TanH", f"o_neuron_{t}", [f"W_ho_h_{t}"], [f"o_{t}"])
        return steps.end("o")

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
