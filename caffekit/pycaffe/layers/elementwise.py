"""More elementwise functions y = f(x): same shape; all may work in place."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from caffekit.pycaffe.layer import Layer


class AbsVal(Layer):
    """y = |x|; the gradient at 0 is 0."""

    type = "AbsVal"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [bottom[0].abs()]


class BNLL(Layer):
    """y = log(1 + exp(x)), the binomial normal log likelihood."""

    type = "BNLL"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [F.softplus(bottom[0])]


class Clip(Layer):
    """y = x, but at least min and at most max; the gradient passes at both ends.

    clip_param: min, max.
    """

    type = "Clip"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.clip_param
        return [bottom[0].clamp(param.min, param.max)]


class Exp(Layer):
    """y = base ^ (shift + scale · x).

    exp_param: base (−1: e), scale (1), shift (0).
    """

    type = "Exp"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.exp_param
        factor = _log_of_base(param.base, self.layer_param.name)
        return [torch.exp(bottom[0] * (param.scale * factor) + param.shift * factor)]


class Log(Layer):
    """y = log(shift + scale · x), to the base `base`.

    log_param: base (−1: e), scale (1), shift (0).
    """

    type = "Log"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.log_param
        factor = _log_of_base(param.base, self.layer_param.name)
        return [torch.log(bottom[0] * param.scale + param.shift) / factor]


class Swish(Layer):
    """y = x / (1 + exp(−beta · x)) (Ramachandran et al. 2017).

    swish_param: beta (1).
    """

    type = "Swish"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [bottom[0] * torch.sigmoid(bottom[0] * self.layer_param.swish_param.beta)]


class Threshold(Layer):
    """y = 1 where x > threshold, else 0. It has no gradient.

    threshold_param: threshold (0).
    """

    type = "Threshold"
    no_gradient = (-1,)

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        return [(bottom[0] > self.layer_param.threshold_param.threshold).float()]


def _log_of_base(base: float, layer: str) -> float:
    if base == -1:
        return 1.0
    if base <= 0:
        raise ValueError(f"layer '{layer}': base must be strictly positive, or -1 for e; got {base:g}")
    return math.log(base)
