"""transform_param: crop, mirror, mean and scale, as src/caffe/data_transformer.cpp applies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.formats.binaryproto import read_mean
from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.pycaffe.mode import Rng, rng

Image = NDArray[Any]


class DataTransformer:
    """Turns a CHW image (bytes or floats) into what the net sees: (x − mean) · scale, cropped and mirrored.

    Crops are random in TRAIN and central in TEST; mirroring is random in both. The random numbers are drawn
    per image in Caffe's order: mirror, row, column.
    """

    def __init__(self, param: Any, phase: int, shape: tuple[int, int, int], layer: str) -> None:
        self.param, self.phase, self.layer = param, phase, layer
        self.crop, self.mirror, self.scale = param.crop_size, param.mirror, np.float32(param.scale)
        self.random = Rng(0)
        self.mean = self._mean(shape)
        if self.crop > min(shape[1:]):
            raise ValueError(
                f"layer '{layer}': crop_size {self.crop} is larger than the images ({shape[1:]})"
            )

    def init_rand(self) -> None:
        """Seed the random stream from the process's; draws only if crops or mirrors are random."""
        if self.mirror or (self.phase == TRAIN and self.crop):
            self.random = Rng(rng().word())

    def shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape that an image of `shape` is transformed to."""
        return (shape[0], self.crop, self.crop) if self.crop else shape

    def transform(self, image: Image) -> NDArray[np.float32]:
        """The transformed image, float32 CHW."""
        flip = bool(self.mirror and self.random.word() % 2)
        window = self._window(image.shape[1:])
        out = image[:, *window].astype(np.float32)
        if self.mean is not None:
            out -= self.mean[:, *window] if self.mean.shape[1:] == image.shape[1:] else self.mean
        out *= self.scale
        return out[:, :, ::-1] if flip else out

    def _window(self, size: tuple[int, ...]) -> tuple[slice, slice]:
        if not self.crop:
            return slice(None), slice(None)
        room = [side - self.crop for side in size]
        if self.phase == TRAIN:
            top, left = (self.random.word() % (r + 1) for r in room)
        else:
            top, left = (r // 2 for r in room)
        return slice(top, top + self.crop), slice(left, left + self.crop)

    def _mean(self, shape: tuple[int, int, int]) -> NDArray[np.float32] | None:
        values = list(self.param.mean_value)
        if self.param.mean_file and values:
            raise ValueError(
                f"layer '{self.layer}': cannot specify mean_file and mean_value at the same time"
            )
        if self.param.mean_file:
            mean = read_mean(Path(self.param.mean_file))
            if mean.shape != shape:
                raise ValueError(
                    f"layer '{self.layer}': {self.param.mean_file} is {mean.shape}, the images are {shape}"
                    " (a mean file must have their size before cropping)"
                )
            return mean
        if not values:
            return None
        if len(values) not in (1, shape[0]):
            raise ValueError(
                f"layer '{self.layer}': expected 1 or {shape[0]} mean_value, got {len(values)}"
            )
        return np.array(values, np.float32).reshape(-1, 1, 1)
