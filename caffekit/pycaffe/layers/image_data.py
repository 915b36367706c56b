"""ImageData: image files named in a list."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from caffekit.errors import os_errors
from caffekit.formats.caffe_pb2 import TRAIN
from caffekit.formats.datum import decode_planes
from caffekit.pycaffe.batches import Item, one_line
from caffekit.pycaffe.data_transformer import DataTransformer, Image
from caffekit.pycaffe.layer import Shape
from caffekit.pycaffe.layers.prefetching import PrefetchingLayer
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import Rng, rng, solver_rank
from caffekit.pycaffe.shuffles import fisher_yates

Line = tuple[str, int, int]
_LABEL = re.compile(r"\s*[+-]?[0-9]+\s*")


class ImageData(PrefetchingLayer):
    """Batches of image files in the order of a list or shuffled, decoded while the net computes.

    Tops: data (N, C, H, W), shaped anew by the first image of each batch, and labels (N).
    image_data_param: source (`PATH LABEL` a line), batch_size, root_folder (put before each path as it is),
    new_height and new_width, is_color (true), shuffle (anew in each round), rand_skip.
    transform_param: see DataTransformer.
    """

    type = "ImageData"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.size = param.image_data_param.batch_size

    def open(self, transformer: DataTransformer) -> _Files:
        param = self.layer_param.image_data_param
        if bool(param.new_height) != bool(param.new_width):
            raise ValueError(
                "Current implementation requires new_height and new_width to be set at the same time."
            )
        log("image_data_layer.cpp:38", f"Opening file {param.source}")
        lines = read_lines(param.source)
        random = None
        if param.shuffle:
            log("image_data_layer.cpp:53", "Shuffling data")
            random = Rng(rng().word())
            fisher_yates(lines, random)
        elif self.phase == TRAIN and solver_rank() > 0 and not param.rand_skip:
            log("image_data_layer.cpp:60", "Shuffling or skipping recommended for multi-GPU", "W")
        log("image_data_layer.cpp:63", f"A total of {len(lines)} images.")
        start = rng().word() % param.rand_skip if param.rand_skip else 0
        if param.rand_skip:
            log("image_data_layer.cpp:70", f"Skipping first {start} data points.")
        if start >= len(lines):
            raise ValueError(
                f"Not enough points to skip: {start} of {len(lines)}; rand_skip must not exceed the list"
            )
        return _Files(param, lines, random, start, transformer)


def read_lines(source: str) -> list[Line]:
    """(path, label, line number) of each line of an image list; the last blank separates the label.

    ValueError naming FILE:LINE where the label is no integer (Caffe would read 0).
    """
    with os_errors("Opening file", source):
        text = os.fsdecode(Path(source).read_bytes())
    lines: list[Line] = []
    for number, line in enumerate(text.rstrip("\r\n").split("\n"), 1):
        path, _, label = line.rpartition(" ")
        if not path or not _LABEL.fullmatch(label):
            if not text.strip():
                raise ValueError(f"{source}: File is empty; it must list `PATH LABEL`, one image a line")
            raise ValueError(f"{source}:{number}: expected `PATH LABEL`, the label an integer; got {line!r}")
        lines.append((path, int(label), number))
    return lines


class _Files:
    """The images of a list, for ever."""

    def __init__(
        self, param: Any, lines: list[Line], random: Rng | None, at: int, transformer: DataTransformer
    ) -> None:
        self.source, self.root = param.source, param.root_folder
        self.flag = cv2.IMREAD_COLOR if param.is_color else cv2.IMREAD_GRAYSCALE
        self.size = (param.new_width, param.new_height) if param.new_width else None
        self.lines, self.random, self.at = lines, random, at
        self.transformer, self.transformed = transformer, transformer.shape

    def first(self) -> Shape:
        path, label, number = self.lines[self.at]
        try:
            return self.transformed(self._load(path, label)[0].shape)
        except Exception as error:
            raise ValueError(f"{self.source}:{number}: {one_line(error)}") from error

    def skip(self, images: int) -> None:
        for _ in range((self.at + images) // len(self.lines)):
            self._shuffle()
        self.at = (self.at + images) % len(self.lines)
        self.transformer.skip(images)

    def _shuffle(self) -> None:
        if self.random:
            fisher_yates(self.lines, self.random)

    def __iter__(self) -> Iterator[Item]:
        at = self.at
        while True:
            for path, label, number in self.lines[at:]:
                place = partial(self.transformer.apply, words=self.transformer.draw())
                yield Item(f"{self.source}:{number}", partial(self._load, path, label), place)
            at = 0
            self._shuffle()

    def _load(self, path: str, label: int) -> tuple[Image, float]:
        file = self.root + path
        with os_errors("Could not load", file):
            data = Path(file).read_bytes()
        image = decode_planes(data, f"Could not load {file}", self.flag)
        if self.size:
            image = _resized(image, self.size)
        return image, label


def _resized(image: Image, size: tuple[int, int]) -> Image:
    scaled = cv2.resize(image.transpose(1, 2, 0), size, interpolation=cv2.INTER_LINEAR)
    return scaled[None] if scaled.ndim == 2 else scaled.transpose(2, 0, 1)
