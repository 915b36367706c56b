"""`debug_info: true`: the mean absolute value of every blob and parameter, as Caffe logs them."""

from __future__ import annotations

import math
from typing import Any

import torch

from caffekit.formats.caffe_log import number
from caffekit.pycaffe.log import is_logged, log


def attach(net: Any) -> None:
    """Let `net` log what its layers compute while `net.debug_info` is true."""
    if net.debug_info:  # the net's own prototxt has asked already
        return
    net.debug_info = True
    net.after_forward(lambda i: _forward(net, i) if net.debug_info else None)
    net.after_backward(lambda i: _backward(net, i) if net.debug_info else None)


def log_norms(net: Any) -> None:
    """The line after a whole backward pass: norms of all learnable parameters, at level ERROR."""
    if not is_logged("E"):
        return
    blobs = [blob for blob, *_ in net.learnable]
    norms = []
    for tensors in ([blob.value for blob in blobs], [blob.grad for blob in blobs]):
        sums = [float(tensor.abs().sum()) for tensor in tensors]
        squares = [float(tensor.square().sum()) for tensor in tensors]
        norms.append((sum(sums), math.sqrt(sum(squares))))
    (l1_data, l2_data), (l1_diff, l2_diff) = norms
    log(
        "net.cpp:721",
        f"    [Backward] All net params (data, diff): L1 norm = ({number(l1_data)}, {number(l1_diff)});"
        f" L2 norm = ({number(l2_data)}, {number(l2_diff)})",
        "E",
    )


def _forward(net: Any, index: int) -> None:
    if not is_logged():
        return
    layer, name = net.layers[index], net._layer_names[index]
    tops = net._all(net._wiring[index][1])
    for top, blob in zip(net.top_names[name], tops, strict=True):
        log("net.cpp:593", f"    [Forward] Layer {name}, top blob {top} data: {_mean(blob.value)}")
    for i, blob in enumerate(layer.blobs):
        specs = layer.layer_param.param
        shown = (specs[i].name if i < len(specs) else "") or i
        log("net.cpp:605", f"    [Forward] Layer {name}, param blob {shown} data: {_mean(blob.value)}")


def _backward(net: Any, index: int) -> None:
    _, _, need_backward = net._wiring[index]
    if not need_backward or not is_logged():
        return
    layer, name = net.layers[index], net._layer_names[index]
    for bottom, down in zip(net.bottom_names[name], layer.propagate_down, strict=True):
        if down:
            mean = _mean(net.blobs[bottom].grad)
            log("net.cpp:621", f"    [Backward] Layer {name}, bottom blob {bottom} diff: {mean}")
    for i, blob in enumerate(layer.blobs):
        if layer.param_propagate_down[i] or layer.param_backward_stated[i]:
            log("net.cpp:632", f"    [Backward] Layer {name}, param blob {i} diff: {_mean(blob.grad)}")


def _mean(tensor: torch.Tensor) -> str:
    """The mean absolute value; nan for no values, as 0 / 0 is in Caffe."""
    return number(float(tensor.detach().abs().sum()) / tensor.numel() if tensor.numel() else math.nan)
