"""Rows kept in few bytes come back as they were measured; what is bulky stands in a nameless file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from caffekit.checks.measure import Row, measure
from caffekit.checks.table import COLUMNS, Table

from .test_checks import photo


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Two images, a broken file and a benchmark image."""
    cv2.imwrite(str(tmp_path / "a.png"), photo(0)[:, :, 0])
    (tmp_path / "b.jpg").write_bytes(cv2.imencode(".jpg", photo(1))[1].tobytes() + b"behind it")
    (tmp_path / "c.png").write_bytes(b"text")
    cv2.imwrite(str(tmp_path / "d.png"), photo(3))
    return [measure(str(tmp_path / name), name == "d.png") for name in ("a.png", "b.jpg", "c.png", "d.png")]


def test_rows_come_back(rows: list[Row], tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    table = Table(iter(rows), 3, 4, tmp_path / "spool")
    assert not list((tmp_path / "spool").iterdir())  # nothing that a crash could leave behind
    assert len(table) == 4 and rows[0].traits == ["gray"] and rows[1].flaws and rows[2].detail
    for i, row in enumerate(rows):
        got = table[i]
        for name in ("reason", "detail", "flaws", "traits", "lossy", "bytes", "width", "height", "phash"):
            assert getattr(got, name) == getattr(row, name), name
        for name in ("dark", "bright", "spread", "sharpness"):
            np.testing.assert_allclose(getattr(got, name), getattr(row, name), rtol=1e-6)
        if row.thumb is not None:
            assert (got.thumb == row.thumb).all() and (got.chroma == row.chroma).all()
            assert (got.content, got.look) == (row.content, row.look)


def test_pictures_are_read_in_any_order(rows: list[Row]) -> None:
    table = Table.of(rows[:3], rows[3:])
    read = table.pictures([3, 0, 3])
    for n, i in enumerate((3, 0, 3)):
        assert (read["thumb"][n] == rows[i].thumb).all()
    (bench,) = table.benchmark([3])
    assert (bench["view"] == rows[3].view).all() and (bench["variants"] == rows[3].variants).all()


def test_a_million_rows_fit_into_a_hundred_megabytes() -> None:
    assert COLUMNS.itemsize <= 100
