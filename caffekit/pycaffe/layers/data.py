"""Data: images and labels from an LMDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caffekit.formats.caffe_pb2 import DataParameter
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.pycaffe.blob import Blob
from caffekit.pycaffe.data_transformer import DataTransformer
from caffekit.pycaffe.layer import Layer, Shape
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import device, rng
from caffekit.pycaffe.prefetch import Prefetcher

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


class Data(Layer):
    """Batches of records in key order, round and round, decoded and transformed in a thread of its own.

    Tops: data (N, C, H, W), and if asked for, labels (N).
    data_param: source, batch_size, backend (must be LMDB), prefetch (4).
    transform_param: see DataTransformer.
    """

    type = "Data"

    def setup(self, bottom: Sequence[Blob]) -> None:
        param, name = self.layer_param.data_param, self.layer_param.name
        if param.backend != DataParameter.LMDB:
            raise ValueError(
                f"layer '{name}': backend LEVELDB cannot be read; make an LMDB with `caffekit gen-lmdb`"
                " and write `backend: LMDB` (the default is LEVELDB)"
            )
        if not param.batch_size:
            raise ValueError(f"layer '{name}': batch_size must be positive")
        self.records = _Records(param.source)
        transformer = DataTransformer(self.layer_param.transform_param, self.phase, self.records.shape, name)
        # BVLC seeds the transformer twice and then each prefetching thread once: drawing as it does keeps
        # the fillers' random numbers in step with its own.
        transformer.init_rand()
        transformer.init_rand()
        rng().word()
        self.batches = _Batches(self.records, transformer, param.batch_size)
        self.prefetcher: Prefetcher[Batch] | None = None

    def top_shapes(self, bottom: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        size = self.layer_param.data_param.batch_size
        shapes: list[Shape] = [(size, *self.batches.shape), (size,)]
        return shapes[: len(self.layer_param.top)], []

    def skip(self, batches: int) -> None:
        """Begin `batches` batches further on: a resumed run goes on in the data where it stopped.

        RuntimeError once reading has begun.
        """
        if self.prefetcher:
            raise RuntimeError(f"layer '{self.layer_param.name}': skip() must come before the first forward")
        self.records.skip(batches * self.layer_param.data_param.batch_size)

    def run_forward(self, bottom: Sequence[Blob], top: Sequence[Blob], keep_graph: bool) -> None:
        if self.prefetcher is None:
            self.prefetcher = Prefetcher(iter(self.batches), self.layer_param.data_param.prefetch)
        for blob, array in zip(top, self.prefetcher.get(), strict=False):
            blob.value = torch.from_numpy(array).to(device(), non_blocking=True)


class _Records:
    """Decoded images and labels in key order, for ever; all must have the first one's shape."""

    def __init__(self, source: str) -> None:
        self.source, self.start = source, 0
        self.reader = LmdbReader(Path(source))
        log("db_lmdb.cpp:35", f"Opened lmdb {source}")
        shape = self._image(*self.reader.first())[0].shape
        self.shape = (shape[0], shape[1], shape[2])

    def skip(self, records: int) -> None:
        self.start = (self.start + records) % len(self.reader)

    def _image(self, key: bytes, value: bytes) -> tuple[NDArray[Any], int]:
        name = f"{self.source}: record {key.decode(errors='replace')}"
        datum = parse_datum(value, name)
        return datum_array(datum, name), datum.label

    def __iter__(self) -> Iterator[tuple[NDArray[Any], int]]:
        start = self.start
        while True:
            for key, value in self.reader.records(start):
                image, label = self._image(key, value)
                if image.shape != self.shape:
                    raise ValueError(
                        f"{self.source}: record {key.decode(errors='replace')} is {image.shape},"
                        f" the first one is {self.shape}; all images of an LMDB must have one size"
                    )
                yield image, label
            log("data_layer.cpp:73", "Restarting data prefetching from start.")
            start = 0


class _Batches:
    """Transformed batches; apart from the layer, so that the reading thread does not keep the net alive."""

    def __init__(self, records: _Records, transformer: DataTransformer, size: int) -> None:
        self.records, self.transformer, self.size = records, transformer, size
        self.shape = transformer.shape(records.shape)

    def __iter__(self) -> Iterator[Batch]:
        records = iter(self.records)
        while True:
            data = np.empty((self.size, *self.shape), np.float32)
            labels = np.empty(self.size, np.float32)
            for i in range(self.size):
                image, labels[i] = next(records)
                data[i] = self.transformer.transform(image)
            yield data, labels
