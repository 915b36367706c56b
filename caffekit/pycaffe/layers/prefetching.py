"""What Data, ImageData and WindowData share: batches made ahead, in Caffe's order of random draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from caffekit.graph.counts import check_counts
from caffekit.pycaffe.batches import Batch, Batches, Item, naming
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.data_transformer import DataTransformer
from caffekit.pycaffe.layer import Layer, Shape
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import device, rng
from caffekit.pycaffe.prefetch import Prefetcher


class Source(Protocol):
    """Where a layer's images come from; it must not refer to the layer."""

    def first(self) -> Shape:
        """The shape of a batch's images, from the image that reading begins with."""

    def transformed(self, image: Shape) -> Shape:
        """The shape in the batch of an image of shape `image`."""

    def skip(self, images: int) -> None:
        """Begin `images` images further on, as if they had been read."""

    def __iter__(self) -> Iterator[Item]: ...


class PrefetchingLayer(Layer):
    """Tops: data (N, C, H, W) and labels (N), N being the batch size."""

    size: int

    def open(self, transformer: DataTransformer) -> Source:
        """Open the source, logging what Caffe logs; draws from the process's random stream where it does."""
        raise NotImplementedError

    def setup(self, bottom: Sequence[Blob]) -> None:
        param = self.layer_param
        check_counts(param)
        if not self.size:
            raise ValueError(f"layer '{param.name}': Positive batch size required: write batch_size")
        if not param.data_param.prefetch:
            raise ValueError(f"layer '{param.name}': prefetch must be 1 or more batches")
        # BVLC seeds the transformer before and after it opens the source, and then each prefetching thread:
        # drawing as it does keeps the fillers' random numbers in step with its own.
        with naming(param.name):
            transformer = DataTransformer(param.transform_param, self.phase)
            transformer.init_rand()
            self.source = self.open(transformer)
            self.image = self.source.first()
        transformer.init_rand()
        rng().word()
        self.prefetcher: Prefetcher[Batch] | None = None
        self.names: list[str] = []
        sizes = ",".join(map(str, (self.size, *self.image)))
        log(SIZE_LINES[param.type], f"output data size: {sizes}")

    def top_shapes(self, bottom: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        shapes: list[Shape] = [(self.size, *self.image), (self.size,)]
        return shapes[: len(self.layer_param.top)], []

    def skip(self, batches: int) -> None:
        """Begin `batches` batches further on: a resumed run goes on in the data where it stopped.

        RuntimeError once reading has begun.
        """
        if self.prefetcher:
            raise RuntimeError(f"layer '{self.layer_param.name}': skip() must come before the first forward")
        self.source.skip(batches * self.size)

    def record(self, item: int) -> str:
        """The name of the record that is item `item` of the current batch."""
        return self.names[item]

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        if self.prefetcher is None:
            batches = Batches(self.source, self.size, self.source.transformed, self.layer_param.name)
            # One batch is in use and one waits to be queued: `prefetch` batches in all, as in Caffe.
            depth = max(1, self.layer_param.data_param.prefetch - 2)
            self.prefetcher = Prefetcher(iter(batches), depth)
        batch = self.prefetcher.get()
        self.names, self.image = batch.names, tuple(batch.data.shape[1:])
        for blob, tensor in zip(top, batch[:2], strict=False):
            blob.value = tensor.to(device(), non_blocking=True)


SIZE_LINES = {
    "Data": "data_layer.cpp:45",
    "ImageData": "image_data_layer.cpp:90",
    "WindowData": "window_data_layer.cpp:180",
}
