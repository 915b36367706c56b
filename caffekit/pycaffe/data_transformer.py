"""transform_param: crop, mirror, mean and scale, as src/caffe/data_transformer.cpp applies them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.formats.binaryproto import read_mean
from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import Rng, rng

Image = NDArray[Any]
Array = NDArray[np.float32]
Shape = tuple[int, ...]

BLOCK = 256


class DataTransformer:
    """Turns a CHW image (bytes or floats) into what the net sees: (x − mean) · scale, cropped and mirrored.

    Crops are random in TRAIN and central in TEST; mirroring is random in both. The random words of an image
    are drawn with `draw`, one image after the other, in Caffe's order: mirror, row, column; `apply` may then
    run in any thread and in any order.
    ValueError for parameters that exclude each other and for images that they do not fit.
    """

    def __init__(self, param: Any, phase: int) -> None:
        self.train, self.crop, self.mirror = phase == TRAIN, param.crop_size, param.mirror
        self.scale, self.random = np.float32(param.scale), Rng(0)
        self._drawn: list[list[int]] = []
        self.words = int(self.mirror) + (2 if self.train and self.crop else 0)
        if param.mean_file and param.mean_value:
            raise ValueError("Cannot specify mean_file and mean_value at the same time")
        if param.force_color and param.force_gray:
            raise ValueError("cannot set both force_color and force_gray")
        self.mean_file: str = param.mean_file
        self.mean: Array | None = None
        if self.mean_file:
            log("data_transformer.cpp:25", f"Loading mean file from: {self.mean_file}")
            self.mean = read_mean(Path(self.mean_file))
        elif param.mean_value:
            self.mean = np.array(param.mean_value, np.float32).reshape(-1, 1, 1)

    def init_rand(self) -> None:
        """Seed the random stream from the process's; draws only if crops or mirrors are random."""
        if self.words:
            self.random = Rng(rng().word())

    def draw(self) -> list[int]:
        """The next image's random words."""
        if not self.words:
            return []
        if not self._drawn:  # one call draws for many images: it costs as much as for one
            self._drawn = self.random.words(BLOCK * self.words).reshape(BLOCK, -1)[::-1].tolist()
        return self._drawn.pop()

    def skip(self, images: int) -> None:
        """Draw for `images` images that are left out."""
        for start in range(0, images * self.words, 1 << 20):
            self.random.words(min(1 << 20, images * self.words - start))

    def shape(self, image: Shape) -> Shape:
        """The shape that an image of shape `image` is transformed to; ValueError when it does not fit."""
        channels, height, width = image
        if self.crop > min(height, width):
            raise ValueError(f"crop_size {self.crop} is larger than the image ({height}x{width})")
        if self.mean is not None and self.mean_file and self.mean.shape != image:
            raise ValueError(
                f"the image is {image}, the mean in {self.mean_file} is {self.mean.shape}"
                " (a mean file must have the images' size before cropping)"
            )
        if self.mean is not None and len(self.mean) not in (1, channels):
            raise ValueError(
                f"Specify either 1 mean_value or as many as channels: {channels}; got {len(self.mean)}"
            )
        return (channels, self.crop, self.crop) if self.crop else image

    def apply(self, image: Image, out: Array, words: list[int]) -> None:
        """Write `image`, transformed, to `out`; `words` are those that `draw` gave for it."""
        if self.mirror and words[0] % 2:
            out = out[:, :, ::-1]
        mean = self.mean
        if self.crop:
            window = self._window(image.shape[1:], words[-2:])
            image = image[window]
            mean = mean[window] if mean is not None and self.mean_file else mean
        if mean is None:
            out[...] = image
        else:
            np.subtract(image, mean, out=out)
        if self.scale != 1:
            out *= self.scale

    def _window(self, size: Shape, drawn: list[int]) -> tuple[slice, slice, slice]:
        down, right = size[0] - self.crop, size[1] - self.crop
        if self.train:
            top, left = drawn[0] % (down + 1), drawn[1] % (right + 1)
        else:
            top, left = down // 2, right // 2
        return slice(None), slice(top, top + self.crop), slice(left, left + self.crop)
