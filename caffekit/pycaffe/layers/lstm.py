"""LSTM and LSTMUnit: long short-term memory."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from caffekit.pycaffe.layer import Layer
from caffekit.pycaffe.layers.recurrent import Recurrent
from caffekit.pycaffe.layers.unrolled import Unrolled


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) as in Zaremba and Sutskever 2014.

    i, f, o, g = W_hc (cont · h') + W_xc x + b_c [+ W_xc_static x_static];
    c = cont · σ(f) · c' + σ(i) · tanh(g); h = σ(o) · tanh(c).
    Bottoms and tops: see Recurrent; the states are h and c, the outputs are h.
    Parameters: W_xc (4H, D), b_c (4H), [W_xc_static], W_hc (4H, H).
    recurrent_param: num_output, weight_filler, bias_filler (constant 0), expose_hidden (false).
    """

    type = "LSTM"
    states = 2

    def unrolled(self, steps: Unrolled) -> Any:
        size = 4 * steps.size
        steps.begin("c", ["c_0", "h_0"], size)
        for t in range(1, steps.steps + 1):
            steps.keep_state(t)
            steps.inner_product(f"transform_{t}", f"h_conted_{t - 1}", f"W_hc_h_{t - 1}", ["W_hc"], size)
            steps.sum(f"gate_input_{t}", f"gate_input_{t}", "c", t)
            bottoms = [f"c_{t - 1}", f"gate_input_{t}", f"cont_{t}"]
            steps.add("LSTMUnit", f"unit_{t}", bottoms, [f"c_{t}", f"h_{t}"])
        steps.add("Split", "", [f"c_{steps.steps}"], ["c_T"])
        return steps.end("h")

    def unroll(
        self,
        inputs: torch.Tensor,
        cont: torch.Tensor,
        states: list[torch.Tensor],
        params: list[torch.Tensor],
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        h, c = states
        outputs = []
        for x, goes_on in zip(inputs, cont, strict=True):
            gates = F.linear(h * goes_on, params[0]) + x
            c, h = _unit(c, gates, goes_on)
            outputs.append(h)
        return outputs, [h, c]


class LSTMUnit(Layer):
    """One time step of an LSTM, without its weights.

    Bottoms: c before (1, N, H), the gates' inputs i, f, o, g (1, N, 4H), cont (1, N).
    Tops: c and h, (1, N, H).
    cont has no gradient.
    """

    type = "LSTMUnit"
    no_gradient = (2,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        cell, gates, cont = bottom
        return list(_unit(cell, gates, cont.unsqueeze(-1)))


def _unit(cell: torch.Tensor, gates: torch.Tensor, cont: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    i, f, o, g = gates.chunk(4, -1)
    cell = _Forget.apply(f, cont) * cell + torch.sigmoid(i) * torch.tanh(g)  # type: ignore[no-untyped-call]
    return cell, torch.sigmoid(o) * torch.tanh(cell)


class _Forget(torch.autograd.Function):
    """cont · σ(f), with Caffe's gradient y (1 − y): not the true one where cont is a fraction."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cont: torch.Tensor) -> torch.Tensor:
        y = torch.sigmoid(x) * cont
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return grads[0] * y * (1 - y), None
