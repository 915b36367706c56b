"""What a split shares out evenly: the classes of a list, or every label column of a CSV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from caffekit.formats.csv_list import is_finite
from caffekit.formats.image_list import ImageList
from caffekit.steps.quota import Ints

BINS = 10
MANY_VALUES = 50  # different numbers in a label column from which on ranges of them are shared out


@dataclass
class Strata:
    """Numbers from 0 for each image, (image, column), and what they stand for."""

    numbers: Ints
    names: list[str]

    def counts(self, sides: Ints, how_many: int) -> Ints:
        """The images of each stratum on each side, (side, stratum)."""
        width = len(self.names)
        keys = sides[:, None] * width + self.numbers
        return np.bincount(keys.ravel(), minlength=how_many * width).reshape(how_many, width)


def strata_of(images: ImageList) -> Strata:
    """The classes; of a CSV with several or float labels each column's values, or ranges of a tenth each."""
    if images.table is None or images.table.one_class:
        labels, numbers = np.unique([item.label for item in images.items], return_inverse=True)
        return Strata(numbers[:, None], [images.class_name(int(label)) for label in labels])
    columns: list[Ints] = []
    names: list[str] = []
    for name in images.table.labels:
        numbers, values = _column(images.table.column(name))
        columns.append(numbers + len(names))
        names += [f"{name}={value}" for value in values]
    return Strata(np.stack(columns, axis=1), names)


def _column(cells: list[str]) -> tuple[Ints, list[str]]:
    """A number for each cell, and the values, or ranges of as many images, that they stand for."""
    if len(set(cells)) <= MANY_VALUES or not all(map(is_finite, cells)):
        values, numbers = np.unique(cells, return_inverse=True)
        return numbers, values.tolist()
    floats = np.array([float(cell) for cell in cells])
    edges = np.unique(np.quantile(floats, np.arange(BINS + 1) / BINS))
    numbers = np.searchsorted(edges[1:-1], floats, side="right")
    return numbers, [f"{low:g}…{high:g}" for low, high in zip(edges, edges[1:], strict=False)]
