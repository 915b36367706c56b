"""Feature files: an .npz with `features` (a row of numbers per image) and the images' `paths`."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffekit.errors import DataError, FormatError, os_errors

HINT = "expected the arrays features (images × numbers) and paths, as `caffekit extract` writes them"


def read_features(path: Path, wanted: Sequence[str]) -> NDArray[np.float32]:
    """The features of the images `wanted`, a row each, in their order.

    FormatError if the file is not such an .npz, DataError naming an image that it lacks.
    """
    try:
        with os_errors("reading", path), open(path, "rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise FormatError(f"{path}: not an .npz of features but a single array", HINT)
            if not {"features", "paths"} <= set(arrays.files):
                raise FormatError(f"{path}: arrays {', '.join(arrays.files) or 'none'}", HINT)
            features, paths = arrays["features"], arrays["paths"]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: not an .npz of features ({error})", HINT) from error
    if features.ndim < 2 or len(features) != len(paths) or features.dtype.kind not in "fiu":
        raise FormatError(
            f"{path}: features of shape {features.shape} ({features.dtype}), {len(paths)} paths", HINT
        )
    features = features.reshape(len(features), -1)
    place = {str(name): i for i, name in enumerate(paths.tolist())}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise DataError(
            f"{path} has no features of {len(missing)} of {len(wanted)} images, first {missing[0]}",
            "extract them from the same list",
        )
    chosen = np.asarray(features[[place[name] for name in wanted]], np.float32)
    bad = np.flatnonzero(~np.isfinite(chosen).all(1))
    if len(bad):
        raise DataError(f"{path}: the features of {wanted[bad[0]]} are not finite", "extract them again")
    return chosen
