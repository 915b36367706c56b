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

    def draw(self) -> NDArray[np.uint32]:
        """The next image's random words."""
        return self.random.words(self.words)

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

    def apply(self, image: Image, out: Array, words: NDArray[np.uint32]) -> None:
        """Write `image`, transformed, to `out`; `words` are those that `draw` gave for it."""
        drawn = words.tolist()
        if self.mirror and drawn.pop(0) % 2:
            out = out[:, :, ::-1]
        window = self._window(image.shape[1:], drawn)
        if self.mean is None:
            out[...] = image[:, *window]
        else:
            np.subtract(image[:, *window], self.mean[:, *window] if self.mean_file else self.mean, out=out)
        if self.scale != 1:
            out *= self.scale

    def _window(self, size: Shape, drawn: list[int]) -> tuple[slice, slice]:
        if not self.crop:
            return slice(None), slice(None)
        room = [side - self.crop for side in size]
        if self.train:
            top, left = (word % (r + 1) for word, r in zip(drawn, room, strict=True))
        else:
            top, left = (r // 2 for r in room)
        return slice(top, top + self.crop), slice(left, left + self.crop)
