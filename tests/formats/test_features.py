"""Feature files: rows in the wanted order, and what is no such file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffekit.errors import DataError, FormatError
from caffekit.formats.features import read_features


def test_rows_come_in_the_order_of_the_images(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float64).reshape(3, 2, 1, 1)
    np.savez(tmp_path / "f.npz", features=array, paths=np.array(["a", "b", "c"]))
    rows = read_features(tmp_path / "f.npz", ["c", "a", "a"])
    assert rows.dtype == np.float32 and rows.tolist() == [[4, 5], [0, 1], [0, 1]]
    with pytest.raises(DataError, match="no features of 1 of 2 images, first d"):
        read_features(tmp_path / "f.npz", ["a", "d"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(2)}, "arrays x"),
        ({"features": np.zeros((2, 3)), "paths": np.array(["a"])}, "shape"),
        ({"features": np.zeros(1), "paths": np.array(["a"])}, "shape"),
        ({"features": np.array([["x"]]), "paths": np.array(["a"])}, "shape"),
        ({"features": np.zeros((1, 1)), "paths": np.array(["a"], object)}, "not an .npz of features"),
        ({"features": np.array([[np.nan]]), "paths": np.array(["a"])}, "of a are not finite"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "f.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        read_features(tmp_path / "f.npz", ["a"])


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "f.npz").write_bytes(data)
    with pytest.raises(FormatError, match="not an .npz of features"):
        read_features(tmp_path / "f.npz", ["a"])
    np.save(tmp_path / "f.npy", np.zeros(3))
    with pytest.raises(FormatError, match="features of shape"):
        read_features(tmp_path / "f.npy", ["a"])
    with pytest.raises(DataError, match="No such file"):
        read_features(tmp_path / "g.npz", ["a"])
