"""How alike two thumbnails are, and how alike two copies must be in this set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# 1 - correlation of near duplicates: a tenth of what separates different images of this set, within …
SHARE_OF_NEAREST = 0.1
LEAST_GAP, LARGEST_GAP = 0.001, 0.05
SAMPLE = 2048

Floats = NDArray[np.float32]


def gap(thumbs: NDArray[np.uint8]) -> float:
    """How far below 1 the correlation of copies may be; thumbs: a sample of the set, a row of pixels each.

    Measured by how far images are from the nearest of the others; copies among them are too few to move the
    median.
    """
    sample = standardised(thumbs)
    alike = sample @ sample.T
    np.fill_diagonal(alike, -1)
    nearest = 1 - float(np.median(alike.max(1)))
    return min(max(SHARE_OF_NEAREST * nearest, LEAST_GAP), LARGEST_GAP)


def correlations(thumbs: NDArray[np.uint8], left: NDArray[np.int64], right: NDArray[np.int64]) -> Floats:
    """The correlation of row left[n] of `thumbs` with row right[n]."""
    rows = standardised(thumbs)
    return np.asarray(np.einsum("nd,nd->n", rows[left], rows[right]), np.float32)


def standardised(thumbs: NDArray[np.uint8]) -> Floats:
    """Rows of mean 0 and norm 1: their product is the correlation. A flat image correlates with nothing."""
    values = thumbs.astype(np.float32)
    values -= values.mean(1, keepdims=True)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(norms, 1e-6), np.float32)
