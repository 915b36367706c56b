"""Small nets that judge labels: what they find, and that cores and workers do not matter."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.checks.confident import Evidence
from caffekit.checks.table import PICTURE
from caffekit.errors import DataError
from caffekit.options import Options
from caffekit.steps import label_net


class Pictures:
    """Three classes that differ in colour alone."""

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(0)
        self.codes = np.arange(count) % 3
        self.all = np.zeros(count, PICTURE)
        self.all["thumb"] = random.integers(80, 180, (count, 32, 32))
        colours = np.array([(60, -60), (-60, 60), (-60, -60)])[self.codes]
        self.all["chroma"] = colours[:, None, None] + random.integers(-10, 10, (count, 4, 4, 2))

    def pictures(self, indices: np.ndarray) -> np.ndarray:
        return self.all[indices]


def judged(workers: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Evidence, np.ndarray]:
    monkeypatch.setattr(label_net, "MOST", 768)
    table = Pictures(121)
    use = np.arange(1, 121)
    given, right = table.codes[use].copy(), table.codes[use]
    given[:6] = (right[:6] + 1) % 3
    options = Options(workers=workers, quiet=True)
    return label_net.judge_by_nets(table, use, given, use, 3, options), right  # type: ignore[arg-type]


def test_nets_find_what_was_planted_whatever_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    said, right = judged(2, monkeypatch)
    assert set(np.argsort(said.own)[:6]) == set(range(6))
    assert (said.likely[:6] == right[:6]).all() and (said.own[6:] > said.other[6:]).mean() > 0.95
    again, _ = judged(4, monkeypatch)
    assert all((one == other).all() for one, other in zip(said, again, strict=True))


@pytest.mark.parametrize(("count", "seen"), [(10, 500), (400, 20_000), (4000, 36_000), (10**7, 60_000)])
def test_the_work_is_bounded(count: int, seen: int) -> None:
    assert label_net.visits(count) == seen


def test_a_net_that_dies_is_said() -> None:
    with pytest.raises(DataError, match="small net"):
        label_net._failed(label_net.Fold("", 0, 2, 1, False, 0))
