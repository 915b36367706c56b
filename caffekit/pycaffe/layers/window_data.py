"""WindowData: windows of images, sampled as R-CNN samples them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from caffekit.errors import os_errors
from caffekit.formats.datum import decode_planes
from caffekit.pycaffe.batches import Item
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.data_transformer import Array, DataTransformer
from caffekit.pycaffe.layer import Shape
from caffekit.pycaffe.layers.prefetching import PrefetchingLayer
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import Rng, rng
from caffekit.pycaffe.window_file import Window, Windows, read_windows


class WindowData(PrefetchingLayer):
    """Batches of windows drawn at random: first background (label 0), then foreground, each warped square.

    Tops: data (N, 3, crop_size, crop_size) and labels (N).
    window_data_param: source (see window_file.py), root_folder, batch_size, scale, fg_threshold,
    bg_threshold, fg_fraction (0.25), context_pad (pixels of the warped window that show its surroundings),
    crop_mode (warp, or square: the window is widened to a square first), cache_images.
    transform_param: crop_size, mirror, mean_file (its central square is subtracted) or mean_value.
    """

    type = "WindowData"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.size = param.window_data_param.batch_size

    def setup(self, bottom: Sequence[Blob]) -> None:
        super().setup(bottom)
        if self.layer_param.transform_param.mean_file:
            mean_file = self.layer_param.transform_param.mean_file
            log("window_data_layer.cpp:196", f"Loading mean file from: {mean_file}")

    def open(self, transformer: DataTransformer) -> _Sampler:
        param, crop = self.layer_param.window_data_param, transformer.crop
        log(
            "window_data_layer.cpp:53",
            "Window data layer:\n"
            f"  foreground (object) overlap threshold: {param.fg_threshold:g}\n"
            f"  background (non-object) overlap threshold: {param.bg_threshold:g}\n"
            f"  foreground sampling fraction: {param.fg_fraction:g}\n"
            f"  cache_images: {int(param.cache_images)}\n"
            f"  root_folder: {param.root_folder}",
        )
        if crop <= 2 * param.context_pad:
            raise ValueError(
                f"WindowData needs transform_param {{ crop_size: … }} above 2 · context_pad, got {crop}"
            )
        random = Rng(rng().word())
        windows = read_windows(param.source, param.root_folder, param.fg_threshold, param.bg_threshold)
        log("window_data_layer.cpp:165", f"Amount of context padding: {param.context_pad}")
        log("window_data_layer.cpp:168", f"Crop mode: {param.crop_mode}")
        return _Sampler(param, windows, random, transformer)


class _Sampler:
    """Windows drawn at random, for ever, `batch_size` by `batch_size`."""

    def __init__(self, param: Any, windows: Windows, random: Rng, transformer: DataTransformer) -> None:
        self.param, self.windows, self.random = param, windows, random
        self.crop, self.mirror = transformer.crop, bool(transformer.mirror)
        self.mean = _central(transformer.mean, self.crop) if transformer.mean_file else transformer.mean
        if self.mean is not None and len(self.mean) not in (1, 3):
            raise ValueError(f"Specify either 1 mean_value or as many as channels: 3; got {len(self.mean)}")
        self.cache = [_read(path) for path in windows.images] if param.cache_images else []

    def first(self) -> Shape:
        return self.transformed(())

    def transformed(self, image: Shape) -> Shape:
        return (3, self.crop, self.crop)

    def skip(self, images: int) -> None:
        for _ in range(images * (1 + self.mirror)):
            self.random.word()

    def __iter__(self) -> Iterator[Item]:
        size = self.param.batch_size
        foreground = int(np.float32(size) * np.float32(self.param.fg_fraction))
        while True:
            for i in range(size):
                windows = self.windows.background if i < size - foreground else self.windows.foreground
                window = windows[self.random.word() % len(windows)]
                flip = bool(self.mirror and self.random.word() % 2)
                name = f"{self.param.source}:{window.line}: window of {self.windows.images[window.image]}"
                yield Item(name, partial(self._load, window, flip), _copy)

    def _load(self, window: Window, flip: bool) -> tuple[Array, float]:
        path = self.windows.images[window.image]
        data = self.cache[window.image] if self.cache else _read(path)
        image = decode_planes(data, f"Could not load {path}", cv2.IMREAD_COLOR).transpose(1, 2, 0)
        cut = self._cut(window.box, image.shape[0], image.shape[1], flip)
        x1, y1, x2, y2 = cut.box
        if not (0 <= x1 <= x2 < image.shape[1] and 0 <= y1 <= y2 < image.shape[0]):
            raise ValueError(
                f"{window.box} does not lie in the image of {image.shape[1]}x{image.shape[0]} pixels"
            )
        warped = cv2.resize(image[y1 : y2 + 1, x1 : x2 + 1], cut.size, interpolation=cv2.INTER_LINEAR)
        return self._placed(warped[:, ::-1] if flip else warped, cut.top, cut.left), window.label

    def _placed(self, warped: NDArray[Any], top: int, left: int) -> Array:
        out = np.zeros((3, self.crop, self.crop), np.float32)
        height, width = warped.shape[:2]
        place = slice(top, top + height), slice(left, left + width)
        out[:, *place] = warped.transpose(2, 0, 1)
        if self.mean is not None:
            out[:, *place] -= self.mean[:, *place] if self.mean.shape[1] > 1 else self.mean
        if self.param.scale != 1:
            out *= np.float32(self.param.scale)
        return out

    def _cut(self, box: tuple[int, int, int, int], height: int, width: int, flip: bool) -> _Cut:
        square = self.param.crop_mode == "square"
        if not self.param.context_pad and not square:
            return _Cut(box, (self.crop, self.crop), 0, 0)
        x1, y1, x2, y2 = _expanded(box, self.crop, self.param.context_pad, square)
        scale_x = np.float32(self.crop) / np.float32(x2 - x1 + 1)
        scale_y = np.float32(self.crop) / np.float32(y2 - y1 + 1)
        over = max(0, -x1), max(0, -y1), max(0, x2 - width + 1), max(0, y2 - height + 1)
        inside = x1 + over[0], y1 + over[1], x2 - over[2], y2 - over[3]
        top = _round(np.float32(over[1]) * scale_y)
        left = _round(np.float32(over[2] if flip else over[0]) * scale_x)
        # Rounding must not push the window out of the square.
        size = (
            min(_round(np.float32(inside[2] - inside[0] + 1) * scale_x), self.crop - left),
            min(_round(np.float32(inside[3] - inside[1] + 1) * scale_y), self.crop - top),
        )
        return _Cut(inside, size, top, left)


class _Cut(NamedTuple):
    """What is cut out of the image, the (width, height) it is warped to, and where in the square it lies."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]
    top: int
    left: int


def _expanded(box: tuple[int, int, int, int], crop: int, pad: int, square: bool) -> tuple[int, int, int, int]:
    """`box` with so much around it that `pad` pixels on each side remain after warping; float32 as Caffe."""
    x1, y1, x2, y2 = box
    scale = np.float32(crop) / np.float32(crop - 2 * pad)
    half_height, half_width = np.float32((y2 - y1 + 1) / 2), np.float32((x2 - x1 + 1) / 2)
    center_x, center_y = np.float32(x1) + half_width, np.float32(y1) + half_height
    if square:
        half_width = half_height = max(half_height, half_width)
    return (
        _round(center_x - half_width * scale),
        _round(center_y - half_height * scale),
        _round(center_x + half_width * scale),
        _round(center_y + half_height * scale),
    )


def _round(x: np.float32) -> int:
    """C's round(): halves go away from zero."""
    return int(math.copysign(math.floor(abs(float(x)) + 0.5), x))


def _central(mean: Array | None, crop: int) -> Array:
    """The square of a mean image that is subtracted from every window, placed by its width alone."""
    if (
        mean is None
        or len(mean) != 3
        or mean.shape[2] < crop
        or (mean.shape[2] - crop) // 2 + crop > mean.shape[1]
    ):
        raise ValueError(f"the mean file must hold 3 channels of at least {crop}x{crop}")
    off = (mean.shape[2] - crop) // 2
    return mean[:, off : off + crop, off : off + crop]


def _copy(image: Array, out: Array) -> None:
    out[...] = image


def _read(path: str) -> bytes:
    with os_errors("Could not open or find file", path):
        return Path(path).read_bytes()
