"""Data: images and labels from an LMDB."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import TRAIN, DataParameter
from caffekit.formats.datum import datum_array, parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from caffekit.pycaffe import mode
from caffekit.pycaffe.batches import Item, naming, one_line
from caffekit.pycaffe.data_transformer import DataTransformer, Image
from caffekit.pycaffe.layer import Shape
from caffekit.pycaffe.layers.prefetching import PrefetchingLayer
from caffekit.pycaffe.log import log


class Data(PrefetchingLayer):
    """Batches of records in key order, round and round, decoded and transformed while the net computes.

    Tops: data (N, C, H, W), and if asked for, labels (N).
    data_param: source, batch_size, backend (must be LMDB), prefetch (4); rand_skip does nothing, as in Caffe.
    transform_param: see DataTransformer; force_color and force_gray say how encoded images are decoded.
    Among several solvers, in TRAIN, each takes the records i with i % solver_count = solver_rank.
    """

    type = "Data"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        data = param.data_param
        self.size = data.batch_size
        if data.backend != DataParameter.LMDB:
            raise ValueError(
                f"layer '{param.name}': backend LEVELDB cannot be read; make an LMDB with `caffekit gen-lmdb`"
                " and write `backend: LMDB` (the default is LEVELDB)"
            )
        with naming(param.name):
            self.reader = LmdbReader(Path(data.source))
        log("db_lmdb.cpp:35", f"Opened lmdb {data.source}")

    def open(self, transformer: DataTransformer) -> _Records:
        transform = self.layer_param.transform_param
        flag = cv2.IMREAD_UNCHANGED
        if transform.force_color or transform.force_gray:
            flag = cv2.IMREAD_COLOR if transform.force_color else cv2.IMREAD_GRAYSCALE
        shared = self.phase == TRAIN
        share = (mode.solver_rank(), mode.solver_count()) if shared else (0, 1)
        return _Records(self.layer_param.data_param.source, self.reader, transformer, flag, share)


class _Records:
    """The records of an LMDB in key order, for ever; of those numbered i, every i with i % count = rank."""

    def __init__(
        self, name: str, reader: LmdbReader, transformer: DataTransformer, flag: int, share: tuple[int, int]
    ) -> None:
        self.name, self.reader, self.transformer, self.flag = name, reader, transformer, flag
        self.transformed = transformer.shape
        self.start, self.step = share

    def first(self) -> Shape:
        key, value = self.reader.first()
        try:
            return self.transformed(self._load(value)[0].shape)
        except Exception as error:
            raise ValueError(f"{self._record(key)}: {one_line(error)}") from error

    def skip(self, images: int) -> None:
        self.start += images * self.step
        self.transformer.skip(images)

    def __iter__(self) -> Iterator[Item]:
        start, entries = self.start, len(self.reader)
        while True:
            start %= entries
            for key, value in self.reader.records(start, self.step):
                place = partial(self.transformer.apply, words=self.transformer.draw())
                yield Item(self._record(key), partial(self._load, value), place)
            log("data_layer.cpp:73", "Restarting data prefetching from start.")
            # Numbers go on over the end, so that the shares change from round to round.
            start += -(-(entries - start) // self.step) * self.step - entries

    def _load(self, value: bytes) -> tuple[Image, float]:
        try:
            datum = parse_datum(value)
            return datum_array(datum, flag=self.flag), datum.label
        except FormatError as error:
            raise ValueError(f"{error}; make the LMDB again with `caffekit gen-lmdb`") from error

    def _record(self, key: bytes) -> str:
        return f"{self.name}: record {key.decode(errors='replace')}"
