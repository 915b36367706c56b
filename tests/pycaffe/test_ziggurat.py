"""The normal distribution's stream; that it is Boost's, number for number, the layer case `fillers` shows."""

from __future__ import annotations

import numpy as np
import pytest

from caffekit.pycaffe import ziggurat


def test_the_strips_have_one_area() -> None:
    """And the tail beyond the first one, with the rectangle beside it, has it too."""
    for x, y in ((ziggurat.X, ziggurat.Y), (ziggurat.EXP_X, ziggurat.EXP_Y)):
        areas = x[1:-1] * np.diff(y)[1:]
        np.testing.assert_allclose(areas, x[0] * y[1], rtol=1e-9)


@pytest.mark.parametrize("block", [64, 1000, 1 << 18])
def test_blocks_do_not_show(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers, and where the stream stands after them, do not depend on the words drawn at once."""
    wanted_state = np.random.RandomState(3)
    wanted = np.concatenate([ziggurat.normals(wanted_state, 1) for _ in range(3000)])
    monkeypatch.setattr(ziggurat, "BLOCK", block)
    state = np.random.RandomState(3)
    np.testing.assert_array_equal(ziggurat.normals(state, 3000), wanted)
    assert state.randint(2**31) == wanted_state.randint(2**31)


def test_it_is_the_normal_distribution() -> None:
    """Mean, deviation, and the shares beyond 1, 2 and 3.5 deviations (the tail), of a million numbers."""
    values = ziggurat.normals(np.random.RandomState(0), 1_000_000)
    assert abs(values.mean()) < 0.005
    assert abs(values.std() - 1) < 0.005
    for limit, share in ((1, 0.317311), (2, 0.045500), (3.5, 0.000465)):
        assert (np.abs(values) > limit).mean() == pytest.approx(share, rel=0.15)
