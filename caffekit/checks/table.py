"""The rows of many images: some 70 bytes of each in memory, what is bulky in a file without a name.

So a million images need no more than a hundred megabytes, and a crash leaves no file behind.
"""

from __future__ import annotations

import os
import sys
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffekit.checks.features import CHROMA_CELLS, THUMB
from caffekit.checks.measure import Row
from caffekit.checks.variants import SIDE, VARIANTS

Indices = NDArray[np.int64] | Sequence[int]

REASONS = ("", "undecodable", "truncated", "wrong-format", "too-large")
COLUMNS = np.dtype(
    [("reason", "u1"), ("flaws", "u2"), ("traits", "u2"), ("lossy", "?"), ("bytes", "i8"), ("width", "i4")]
    + [("height", "i4"), ("dark", "f4"), ("bright", "f4"), ("spread", "f4"), ("sharpness", "f4")]
    + [("content", "u8", 2), ("look", "u8"), ("phash", "u8"), ("bulk", "i8")]
)
PICTURE = np.dtype([("thumb", "u1", (THUMB, THUMB)), ("chroma", "i1", (CHROMA_CELLS, CHROMA_CELLS, 2))])
BENCHMARK = np.dtype([*PICTURE.descr, ("view", "u1", (SIDE, SIDE)), ("variants", "u8", len(VARIANTS))])


class Table(Sequence[Row]):
    """Rows in the order in which they come; those from `known` on are of benchmark images.

    `table.columns["width"]`: a number of every row. What has a file behind it is read when asked for.
    """

    def __init__(self, rows: Iterable[Row], known: int, count: int, folder: Path | None = None) -> None:
        """known: images of the set; count: with the benchmark's. folder: where the nameless file stands."""
        self.columns: NDArray[Any] = np.zeros(count, COLUMNS)
        self.traits: list[str] = []
        self._texts: dict[int, tuple[str, list[str]]] = {}
        self._known = known
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        for i, row in enumerate(rows):
            self._add(i, row)
        self._file.flush()

    @classmethod
    def of(cls, rows: Sequence[Row], benchmark: Sequence[Row] = ()) -> Table:
        """The table of rows that are all there already."""
        return cls([*rows, *benchmark], len(rows), len(rows) + len(benchmark))

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, index: Any) -> Any:
        """The row `index`, as it was measured."""
        record = self.columns[index]
        detail, flaws = self._texts.get(int(index), ("", []))
        row = Row(REASONS[record["reason"]], detail, list(flaws), self.names_of(record["traits"]))
        for name in ("lossy", "bytes", "width", "height", "dark", "bright", "spread", "sharpness", "phash"):
            setattr(row, name, record[name].item())
        row.content, row.look = record["content"].tobytes(), record["look"].tobytes()
        if not row.reason:
            picture = self.pictures([index])[0]
            row.thumb, row.chroma = picture["thumb"], picture["chroma"]
        return row

    def pictures(self, indices: Indices) -> NDArray[Any]:
        """thumb and chroma of the images `indices`, which have pixels."""
        return self._read(indices, PICTURE)

    def benchmark(self, indices: Indices) -> NDArray[Any]:
        """thumb, chroma, view and variants of benchmark images that have pixels."""
        return self._read(indices, BENCHMARK)

    def flaws(self, index: int) -> list[str]:
        """What is odd about a file that can be used."""
        return self._texts.get(index, ("", []))[1]

    def names_of(self, traits: int) -> list[str]:
        """The words for a number of the column traits."""
        return [name for bit, name in enumerate(self.traits) if int(traits) >> bit & 1]

    def _add(self, i: int, row: Row) -> None:
        self.traits += [name for name in row.traits if name not in self.traits]
        traits = sum(1 << self.traits.index(name) for name in set(row.traits))
        content = (
            int.from_bytes(row.content[:8], sys.byteorder),
            int.from_bytes(row.content[8:], sys.byteorder),
        )
        look = int.from_bytes(row.look, sys.byteorder)
        self.columns[i] = (
            *(REASONS.index(row.reason), len(row.flaws), traits, row.lossy, row.bytes, row.width, row.height),
            *(row.dark, row.bright, row.spread, row.sharpness, content, look, row.phash, self._file.tell()),
        )
        if row.reason or row.flaws:
            self._texts[i] = row.detail, row.flaws
        if row.thumb is not None and row.chroma is not None:
            self._file.write(row.thumb.tobytes() + row.chroma.tobytes())
        if row.view is not None and row.variants is not None:
            self._file.write(row.view.tobytes() + row.variants.tobytes())

    def _read(self, indices: Indices, kind: np.dtype[Any]) -> NDArray[Any]:
        out = np.empty(len(indices), kind)
        data, size, file = memoryview(out.view(np.uint8).data), kind.itemsize, self._file.fileno()
        for n, at in enumerate(self.columns["bulk"][indices].tolist()):
            os.preadv(file, [data[n * size : (n + 1) * size]], at)
        return out
