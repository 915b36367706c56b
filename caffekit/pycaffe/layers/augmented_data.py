"""AugmentedData: a Data or ImageData layer whose images are changed at random, anew each time they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from caffekit.pycaffe import mode
from caffekit.pycaffe.batches import Item
from caffekit.pycaffe.data_transformer import DataTransformer, Image
from caffekit.pycaffe.layer import Shape
from caffekit.pycaffe.layers.data import Data
from caffekit.pycaffe.layers.image_data import ImageData
from caffekit.pycaffe.layers.prefetching import PrefetchingLayer, Source
from caffekit.transforms import augment_image, random_for

Load = Callable[[], tuple[Image, float]]


class AugmentedData(PrefetchingLayer):
    """Batches as Data makes them (or ImageData, if there is an image_data_param), but of changed images.

    python_param.param_str is a JSON object: "changes" {transform: setting} as augment_image takes them, and
    "seed". The changes come between decoding and transform_param. What is drawn depends on the seed and on
    how many images were read before, not on threads, devices or resumption.
    """

    type = "AugmentedData"

    def __init__(self, param: Any, phase: int) -> None:
        plain = type(param)()
        plain.CopyFrom(param)
        kind = ImageData if param.HasField("image_data_param") else Data
        plain.type = kind.type
        super().__init__(plain, phase)
        self.layer = kind(plain, phase)
        self.size = self.layer.size
        told = json.loads(param.python_param.param_str)
        self.changes, self.seed = told["changes"], told["seed"]

    def open(self, transformer: DataTransformer) -> Source:
        return _Augmented(self.layer.open(transformer), self.changes, self.seed)


class _Augmented:
    """The images of `source`, changed: the n-th that all solvers together read has the n-th random stream."""

    def __init__(self, source: Source, changes: dict[str, Any], seed: int) -> None:
        self.source, self.changes, self.seed = source, changes, seed
        self.first, self.transformed = source.first, source.transformed
        self.number, self.step = mode.solver_rank(), mode.solver_count()

    def skip(self, images: int) -> None:
        self.source.skip(images)
        self.number += images * self.step

    def __iter__(self) -> Iterator[Item]:
        number = self.number
        for item in self.source:
            yield item._replace(load=partial(self._load, item.load, number))
            number += self.step

    def _load(self, load: Load, number: int) -> tuple[Image, float]:
        planes, label = load()
        if planes.shape[1:] == (1, 1):  # labels kept as records, beside the images'
            return planes, label
        check(planes)
        image = np.ascontiguousarray(planes.transpose(1, 2, 0))
        changed = augment_image(image, random_for(self.seed, "", number), self.changes)
        return changed.transpose(2, 0, 1), label


def check(planes: Image) -> None:
    """ValueError for what is no picture: only grey or colour images of 8 bits can be changed."""
    shape: Shape = planes.shape
    if planes.dtype != np.uint8 or shape[0] not in (1, 3):
        what = f"{shape[0]} channels of {planes.dtype}"
        raise ValueError(f"augmentation needs images with 1 or 3 channels of 8 bits, this has {what}")
