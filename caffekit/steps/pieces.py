"""What a split may not break: groups of images, and how many of each class are in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from caffekit.steps.quota import Ints


@dataclass
class Pieces:
    """Groups of images. Piece p holds counts[e] images of classes[e] for e in starts[p] … starts[p+1]−1.

    Its last entry is for a class that all images have: the sides' sizes are shared out like classes.
    """

    of_image: Ints
    sizes: Ints
    starts: Ints
    classes: Ints
    counts: Ints

    @classmethod
    def of(cls, classes: Ints, groups: Ints) -> Pieces:
        """The pieces of images with these classes, (image, column), and groups (any numbers)."""
        of_image, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
        wide = int(classes.max()) + 2
        classes = np.column_stack([classes, np.full(len(classes), wide - 1)])
        keys, counts = np.unique(of_image[:, None] * wide + classes, return_counts=True)
        starts = np.searchsorted(keys, np.arange(len(sizes) + 1) * wide)
        return cls(of_image, sizes, starts, keys % wide, counts)

    @property
    def owners(self) -> Ints:
        """The piece of each entry of `classes` and `counts`."""
        return np.repeat(np.arange(len(self.sizes)), np.diff(self.starts))

    def per_class(self) -> Ints:
        """In how many pieces each class occurs."""
        return np.bincount(self.classes)

    def entries(self, piece: int) -> tuple[Ints, Ints]:
        """The classes of a piece, and how many images of each it holds."""
        mine = slice(self.starts[piece], self.starts[piece + 1])
        return self.classes[mine], self.counts[mine]
