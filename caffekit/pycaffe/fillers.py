"""Initial values of parameters: Caffe's fillers (include/caffe/filler.hpp)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.formats.caffe_pb2 import FillerParameter
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.mode import rng

Shape = tuple[int, ...]
Values = NDArray[np.float32]


def fill(blob: Blob, filler: Any) -> None:
    """Fill `blob` as the FillerParameter `filler` says; ValueError for an unknown type."""
    if filler.type not in FILLERS:
        raise ValueError(f"Unknown filler name: {filler.type} (known: {', '.join(sorted(FILLERS))})")
    blob.data[...] = FILLERS[filler.type](filler, blob.shape).reshape(blob.shape)


def constant(value: float) -> Any:
    """The FillerParameter of a constant."""
    return FillerParameter(type="constant", value=value)


def _constant(filler: Any, shape: Shape) -> Values:
    return np.full(math.prod(shape), filler.value, np.float32)


def _uniform(filler: Any, shape: Shape) -> Values:
    return rng().uniform(filler.min, filler.max, math.prod(shape))


def _gaussian(filler: Any, shape: Shape) -> Values:
    values = rng().gaussian(filler.mean, filler.std, math.prod(shape))
    if filler.sparse >= 0:  # on average `sparse` non-zero inputs for each output
        values *= rng().bernoulli(filler.sparse / shape[0], values.size)
    return values


def _fan(filler: Any, shape: Shape) -> float:
    """fan_in = count / shape[0]; fan_out = count / shape[1]; or their mean."""
    count = math.prod(shape)
    fan_in = count // shape[0]
    fan_out = count // shape[1] if len(shape) > 1 else count
    choice = {FillerParameter.FAN_OUT: float(fan_out), FillerParameter.AVERAGE: (fan_in + fan_out) / 2}
    return choice.get(filler.variance_norm, float(fan_in))


def _xavier(filler: Any, shape: Shape) -> Values:
    """Uniform within ±sqrt(3/n) (Glorot and Bengio 2010, as Caffe defines it)."""
    scale = math.sqrt(3 / _fan(filler, shape))
    return rng().uniform(-scale, scale, math.prod(shape))


def _msra(filler: Any, shape: Shape) -> Values:
    """Normal with std sqrt(2/n) (He et al. 2015)."""
    return rng().gaussian(0, math.sqrt(2 / _fan(filler, shape)), math.prod(shape))


def _positive_unitball(filler: Any, shape: Shape) -> Values:
    """Uniform in [0, 1], then each output's weights divided by their sum."""
    values = rng().uniform(0, 1, math.prod(shape)).reshape(shape[0], -1)
    out: Values = values / values.sum(1, keepdims=True)
    return out


def _bilinear(filler: Any, shape: Shape) -> Values:
    """The kernel of bilinear upsampling, for a Deconvolution."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise ValueError(f"a bilinear filler needs a 4-D blob with square kernels, got {shape}")
    factor = math.ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(shape[3]) / factor - centre)
    return np.broadcast_to(np.outer(line, line), shape).astype(np.float32)


FILLERS: dict[str, Callable[[Any, Shape], Values]] = {
    "bilinear": _bilinear,
    "constant": _constant,
    "gaussian": _gaussian,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
}
