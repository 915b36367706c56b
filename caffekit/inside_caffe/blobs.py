"""What can be read off the blobs of a net: norms, values that are not finite, dead units."""
from __future__ import division

import numpy as np


def sum_of_squares(arrays):
    """(sum of squares, number of elements that are not finite)."""
    total, bad = 0.0, 0
    for array in arrays:
        flat = array.ravel()
        square = float(np.dot(flat, flat))
        if not square < 1e38:  # overflown in float32, or nan: look closer
            square = float(np.square(flat, dtype=np.float64).sum())
            bad += int(flat.size - np.isfinite(flat).sum())
        total += square
    return total, bad


def own_params(net):
    """The parameter blobs, each once: layers that share one see the same memory."""
    found, seen, keep = [], set(), []
    for name in net.params:
        for blob in net.params[name]:
            data = blob.data
            keep.append(data)  # so that two addresses are never equal by chance
            address = data.__array_interface__["data"][0] if data.size else id(blob)
            if address not in seen:
                seen.add(address)
                found.append(blob)
    return found


def dead_share(data):
    """The share of units (channels, where there are some) that are 0 for the whole batch."""
    if data.ndim < 2 or not data.size:
        return 0.0
    rest = tuple(axis for axis in range(data.ndim) if axis != 1)
    return 1.0 - float((data != 0).any(axis=rest).mean())
