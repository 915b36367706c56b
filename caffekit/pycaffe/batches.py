"""Batches of images: decoded and transformed by many threads, the same whatever their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import NamedTuple

import torch

from caffekit.errors import CaffekitError
from caffekit.pycaffe.data_transformer import Array, Image, Shape
from caffekit.pycaffe.mode import device
from caffekit.pycaffe.prefetch import decoders, pool


class Item(NamedTuple):
    """One image of a batch to be: everything random about it is drawn, nothing is decoded.

    name: of the record, for messages. load: gives the CHW image and its label. place: writes the transformed
    image to its row of the batch.
    """

    name: str
    load: Callable[[], tuple[Image, float]]
    place: Callable[[Image, Array], None]


class Batch(NamedTuple):
    """data (N, C, H, W) and labels (N), float32, and the names of the N records."""

    data: torch.Tensor
    labels: torch.Tensor
    names: list[str]


class Batches:
    """Batches of `size` items, as jobs for a Prefetcher; no part of it refers to the layer or its net.

    The first image of a batch gives the shape (`shape` of the image's); all others must fit.
    ValueError naming `layer` and the record for one that cannot be read, decoded or placed.
    """

    def __init__(self, items: Iterable[Item], size: int, shape: Callable[[Shape], Shape], layer: str) -> None:
        self.items, self.size, self.shape, self.layer = items, size, shape, layer

    def __iter__(self) -> Iterator[Callable[[], Batch]]:
        items = iter(self.items)
        while batch := list(islice(items, self.size)):
            yield partial(self.make, batch)

    def make(self, items: list[Item]) -> Batch:
        """The batch of `items`: a part of it made here, the other parts by the pool."""
        items[0], shape = self._first(items[0])
        pinned = device().type == "cuda"  # pinned memory goes to the GPU while the net computes
        data = torch.empty((len(items), *shape), pin_memory=pinned)
        labels = torch.empty(len(items), pin_memory=pinned)
        rows, numbers = data.numpy(), labels.numpy()
        step = -(-len(items) // decoders())
        others = [
            pool().submit(self._fill, items[i : i + step], rows[i : i + step], numbers[i : i + step])
            for i in range(step, len(items), step)
        ]
        self._fill(items[:step], rows[:step], numbers[:step])
        for other in others:
            other.result()
        return Batch(data, labels, [item.name for item in items])

    def _first(self, item: Item) -> tuple[Item, Shape]:
        """`item`, its image loaded, and the shape that the batch has by it."""
        try:
            loaded = item.load()
            return item._replace(load=lambda: loaded), self.shape(loaded[0].shape)
        except (ValueError, CaffekitError) as error:
            raise ValueError(f"layer '{self.layer}': {item.name}: {one_line(error)}") from error

    def _fill(self, items: list[Item], rows: Array, labels: Array) -> None:
        at = 0
        try:
            for at, item in enumerate(items):
                image, labels[at] = item.load()
                if self.shape(image.shape) != rows.shape[1:]:
                    raise ValueError(
                        f"gives {self.shape(image.shape)}, the first image of its batch {rows.shape[1:]};"
                        " make all images one size, or crop them with transform_param { crop_size: … }"
                    )
                item.place(image, rows[at])
        except (ValueError, CaffekitError) as error:
            raise ValueError(f"layer '{self.layer}': {items[at].name}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """What went wrong, and what to do about it where the error knows."""
    hint = getattr(error, "hint", "")
    return f"{error}; {hint}" if hint else str(error)


@contextmanager
def naming(layer: str) -> Iterator[None]:
    """Turn what goes wrong with a data layer's files into a ValueError of one line that names the layer."""
    try:
        yield
    except (ValueError, CaffekitError) as error:
        raise ValueError(f"layer '{layer}': {one_line(error)}") from error
