"""coord_map: maps through spatial layers, worked out by hand, and the crops that align two tops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caffekit.pycaffe import NetSpec
from caffekit.pycaffe import layers as L
from caffekit.pycaffe.coord_map import (
    AxisMismatchException,
    UndefinedMapException,
    compose,
    coord_map,
    coord_map_from_to,
    crop,
    inverse,
)


def _net(**conv: Any) -> NetSpec:
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 1, 40, 40]})
    n.conv = L.Convolution(n.data, num_output=2, **{"kernel_size": 3, **conv})
    n.pool = L.Pooling(n.conv, kernel_size=2, stride=2)
    n.up = L.Deconvolution(n.pool, convolution_param={"num_output": 2, "kernel_size": 4, "stride": 2})
    return n


@pytest.mark.parametrize(
    ("type_name", "settings", "wanted"),
    [
        ("Convolution", {"kernel_size": 3}, (1, 1, -1)),
        ("Convolution", {"kernel_size": 3, "pad": 1}, (1, 1, 0)),
        ("Convolution", {"kernel_size": 5, "stride": 2, "pad": 1}, (1, 0.5, -0.5)),
        ("Convolution", {"kernel_size": 3, "dilation": 2}, (1, 1, -2)),
        ("Deconvolution", {"kernel_size": 4, "stride": 2}, (1, 2, 1.5)),
        ("Deconvolution", {"kernel_size": 4, "stride": 2, "pad": 1}, (1, 2, 0.5)),
        ("Crop", {}, (1, 1, 0)),
        ("Crop", {"axis": 3, "offset": 4}, (2, 1, -4)),
        ("ReLU", {}, (None, 1, 0)),
    ],
)
def test_the_map_of_one_layer(type_name: str, settings: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    top = getattr(L, type_name)(L.Input(), **settings)
    assert coord_map(top.fn) == wanted


def test_maps_compose_and_invert() -> None:
    half, shifted = (1, 0.5, 1), (1, 2, -3)
    assert compose(half, shifted) == (1, 1.0, -0.5)
    assert compose((None, 1, 0), shifted) == shifted == compose(shifted, (None, 1, 0))
    assert compose(half, inverse(half)) == (1, 1, 0)
    with pytest.raises(AxisMismatchException, match="axis 1 and from axis 2"):
        compose(half, (2, 1, 0))


def test_from_a_top_to_its_source_and_back() -> None:
    n = _net()
    axis, scale, shift = coord_map_from_to(n.up, n.data)
    assert (axis, scale, shift) == (1, 1, 0)
    n = _net(pad=10)
    assert coord_map_from_to(n.up, n.data)[2] == -10
    assert coord_map_from_to(n.data, n.up)[2] == 10


def test_axes_of_their_own() -> None:
    n = _net(kernel_size=[3, 5], pad=[0, 4])
    _, scale, shift = coord_map_from_to(n.up, n.data)
    np.testing.assert_array_equal(scale, [1])
    np.testing.assert_array_equal(shift, [0, -3])


def test_the_second_bottom_of_a_crop_does_not_count() -> None:
    n = _net(pad=10)
    n.cut = L.Crop(n.up, n.data, axis=2, offset=3)
    assert coord_map_from_to(n.cut, n.data)[2] == -7


def test_crop_writes_the_offset() -> None:
    n = _net(pad=10)
    n.cut = crop(n.up, n.data)
    layer = n.to_proto().layer[-1]
    assert list(layer.bottom) == ["up", "data"]
    assert layer.crop_param.axis == 2
    assert list(layer.crop_param.offset) == [10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 3}, "scale mismatch on crop"),
        ({"kernel_size": 9}, "cannot crop negative offset"),
        ({"kernel_size": 4, "pad": 10}, "cannot crop noninteger offset"),
        ({"kernel_h": 3}, "does not support legacy _h/_w params: kernel_h"),
    ],
)
def test_what_cannot_be_cropped(change: dict[str, Any], message: str) -> None:
    n = _net(**change)
    with pytest.raises(AssertionError, match=message):
        crop(n.up, n.data)


def test_layers_without_a_map_connect_nothing() -> None:
    n = _net()
    n.ip = L.InnerProduct(n.up, num_output=2)
    with pytest.raises(UndefinedMapException, match="InnerProduct"):
        coord_map(n.ip.fn)
    with pytest.raises(RuntimeError, match="are they connected by spatial layers"):
        coord_map_from_to(n.ip, n.data)
