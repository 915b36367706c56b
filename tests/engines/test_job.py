"""How far a resumed training is in its data."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffekit.engines import batches_to_skip
from caffekit.formats.prototxt import read_net
from tests.engines import tiny


@pytest.mark.parametrize(
    ("iteration", "iter_size", "batches"),
    [(0, 1, 0), (7, 1, 7), (19, 1, 19), (20, 1, 0), (33, 1, 13), (7, 3, 1)],
)
def test_batches_modulo_the_cycle(tmp_path: Path, iteration: int, iter_size: int, batches: int) -> None:
    """40 records in batches of 6: record 0 comes first again after 20 batches."""
    net = read_net(tiny.make(tmp_path).with_name("net.prototxt"))
    assert batches_to_skip(net, iteration, iter_size) == ({"data": batches} if batches else {})
