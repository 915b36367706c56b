"""Shapes of recurrent layers: x (T, N, …), cont (T, N), then maybe a static input and the hidden state."""

from __future__ import annotations

import math
from typing import Any

from caffekit.graph.axes import Shape, Shapes, need


def lstm(layer: Any, bottoms: list[Shape]) -> Shapes:
    """h (T, N, H). W_xc (4H, D), b_c, [W_xc_static], W_hc (4H, H)."""
    size = layer.recurrent_param.num_output
    params = _input_params(layer, bottoms, 4 * size, states=2)
    return _tops(layer, bottoms, states=2), [*params, (4 * size, size)]


def rnn(layer: Any, bottoms: list[Shape]) -> Shapes:
    """o (T, N, H). W_xh (H, D), b_h, [W_xh_static], W_hh (H, H), W_ho (H, H), b_o."""
    size = layer.recurrent_param.num_output
    params = _input_params(layer, bottoms, size, states=1)
    return _tops(layer, bottoms, states=1), [*params, (size, size), (size, size), (size,)]


def lstm_unit(layer: Any, bottoms: list[Shape]) -> Shapes:
    """c and h of one time step, from c before, the four gates' inputs, and cont."""
    cell, gates = bottoms[:2]
    fits = gates == (*cell[:2], 4 * cell[2]) if len(cell) == 3 else False
    need(layer, fits, f"its bottoms must be (1, N, H) and (1, N, 4H), got {cell} and {gates}")
    return [cell, cell], []


def _input_params(layer: Any, bottoms: list[Shape], rows: int, states: int) -> list[Shape]:
    x, cont = bottoms[:2]
    need(layer, layer.recurrent_param.num_output > 0, "num_output is missing or 0")
    fits = len(x) >= 2 and cont == x[:2]
    need(layer, fits, f"its first bottoms must be (T, N, …) and (T, N), got {x} and {cont}")
    exposed = states if layer.recurrent_param.expose_hidden else 0
    need(layer, len(bottoms) - exposed in (2, 3), f"it takes {2 + exposed} or {3 + exposed} bottoms")
    params: list[Shape] = [(rows, math.prod(x[2:])), (rows,)]
    if len(bottoms) - exposed == 3:
        params.append((rows, math.prod(bottoms[2][1:])))
    return params


def _tops(layer: Any, bottoms: list[Shape], states: int) -> list[Shape]:
    size = layer.recurrent_param.num_output
    state: Shape = (1, bottoms[0][1], size)
    return [(*bottoms[0][:2], size)] + [state] * (states if layer.recurrent_param.expose_hidden else 0)
