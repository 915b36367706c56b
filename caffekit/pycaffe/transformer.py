"""caffe.io.Transformer: from pictures to what a net takes, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.pycaffe.images import resize_image

Array = NDArray[Any]


class Transformer:
    """Formats pictures for the inputs of a net: `inputs` maps each input's name to its blob's shape.

    In this order: resize, transpose, channel_swap, raw_scale, mean, input_scale; each only if it is set.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def _shape(self, in_: str) -> tuple[int, ...]:
        if in_ not in self.inputs:
            raise Exception(f"{in_} is not one of the net inputs: {self.inputs}")
        return tuple(self.inputs[in_])

    def preprocess(self, in_: str, data: Array) -> Array:
        """The input (channels × height × width) for a picture (height × width × channels), float32.

        `data` itself never changes (BVLC scales it in place if it need not be resized or copied).
        """
        size = self._shape(in_)[2:]
        image: Array = data.astype(np.float32)
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_]), :, :]
        if in_ in self.raw_scale:
            image *= self.raw_scale[in_]
        if in_ in self.mean:
            image -= self.mean[in_]
        if in_ in self.input_scale:
            image *= self.input_scale[in_]
        return image

    def deprocess(self, in_: str, data: Array) -> Array:
        """The picture that preprocess would have made `data` from, apart from its size."""
        self._shape(in_)
        image: Array = data.copy().squeeze()
        if in_ in self.input_scale:
            image /= self.input_scale[in_]
        if in_ in self.mean:
            image += self.mean[in_]
        if in_ in self.raw_scale:
            image /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_]), :, :]
        if in_ in self.transpose:
            image = image.transpose(np.argsort(self.transpose[in_]))
        return image

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of the axes: (2, 0, 1) makes channels × height × width of OpenCV's order."""
        if len(order) != len(self._shape(in_)) - 1:
            raise Exception(
                f"Transpose order needs to have the same number of dimensions as the input: got {order}"
                f" for {in_} of shape {self._shape(in_)}"
            )
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of the channels, which come first by then: (2, 1, 0) makes BGR of RGB."""
        if len(order) != self._shape(in_)[1]:
            raise Exception(
                "Channel swap needs to have the same number of dimensions as the input channels: got"
                f" {order} for {in_} of shape {self._shape(in_)}"
            )
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """The factor before the mean is subtracted: 255 for nets that are trained on 0 … 255."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: Array) -> None:
        """The mean to subtract: one value per channel, or an image (channels × height × width) of any size.

        An image of another size than the input's is resized. ValueError for other shapes.
        """
        shape = self._shape(in_)
        if mean.ndim == 1:
            if mean.shape[0] != shape[1]:
                raise ValueError(f"Mean channels incompatible with input: {mean.shape[0]} for {shape[1]}")
            self.mean[in_] = mean[:, np.newaxis, np.newaxis]
            return
        if mean.ndim not in (2, 3):
            raise ValueError(f"Mean shape invalid: expected 1 to 3 axes, got {mean.shape}")
        if mean.ndim == 2:
            mean = mean[np.newaxis]
        self.mean[in_] = mean if mean.shape == shape[1:] else _resized(mean, shape[2:])

    def set_input_scale(self, in_: str, scale: float) -> None:
        """The factor after the mean is subtracted."""
        self._shape(in_)
        self.input_scale[in_] = scale


def _resized(mean: Array, size: tuple[int, ...]) -> Array:
    """A mean image (channels × height × width) of another size; its values' range is kept."""
    low, high = mean.min(), mean.max()
    if low == high:
        return np.full((mean.shape[0], *size), low, mean.dtype)
    unit = (mean - low) / (high - low)
    resized: Array = resize_image(unit.transpose(1, 2, 0), size).transpose(2, 0, 1) * (high - low) + low
    return resized


def net_transformer(
    name: str,
    shape: Sequence[int],
    mean: Array | None,
    input_scale: float | None,
    raw_scale: float | None,
    channel_swap: Sequence[int] | None,
) -> Transformer:
    """The Transformer of a Classifier or Detector, for its input `name`; pictures come as OpenCV has them."""
    transformer = Transformer({name: tuple(shape)})
    transformer.set_transpose(name, (2, 0, 1))
    if mean is not None:
        transformer.set_mean(name, mean)
    if input_scale is not None:
        transformer.set_input_scale(name, input_scale)
    if raw_scale is not None:
        transformer.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        transformer.set_channel_swap(name, channel_swap)
    return transformer
