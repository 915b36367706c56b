"""Empty pooling windows: where they are, and what real Caffe computes there."""

from __future__ import annotations

import json
import math
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from caffekit.errors import FormatError
from caffekit.formats.caffe_pb2 import LayerParameter
from caffekit.graph import SHAPE_RULES, empty_window
from caffekit.graph.pooling import FLT_MAX


def layer(pool: str, kernel: int, stride: int, pad: int, kernel_w: int = 0) -> LayerParameter:
    out = LayerParameter(name="pool", type="Pooling", top=["y"])
    param = out.pooling_param
    param.pool = param.PoolMethod.Value(pool)
    param.kernel_h, param.kernel_w = kernel, kernel_w or kernel
    param.stride, param.pad = stride, pad
    return out


@pytest.mark.parametrize(
    ("pool", "kernel", "stride", "size", "value"),
    [
        ("AVE", 1, 2, 6, math.nan),
        ("AVE", 2, 3, 6, math.nan),
        ("AVE", 3, 5, 5, math.nan),
        ("AVE", 1, 3, 5, 0.0),
        ("AVE", 2, 4, 7, 0.0),
        ("AVE", 3, 5, 4, 0.0),
        ("MAX", 1, 2, 6, -FLT_MAX),
        ("MAX", 1, 3, 5, -FLT_MAX),
    ],
)
def test_the_cases_known_from_caffe(pool: str, kernel: int, stride: int, size: int, value: float) -> None:
    found = empty_window(layer(pool, kernel, stride, 0), (1, 1, size, size))
    assert found is not None
    assert found.value == value or (math.isnan(found.value) and math.isnan(value))
    assert found.start >= found.size == size


def test_windows_with_pixels_are_none() -> None:
    assert empty_window(layer("AVE", 3, 2, 0), (1, 1, 7, 8)) is None
    assert empty_window(layer("AVE", 1, 2, 0), (1, 1, 7, 5)) is None
    global_pooling = LayerParameter(name="g")
    global_pooling.pooling_param.global_pooling = True
    assert empty_window(global_pooling, (1, 1, 7, 7)) is None


def test_nan_is_worse_than_zero() -> None:
    """Height 5 ends beyond the edge (0), width 6 exactly at it (nan)."""
    mixed = layer("AVE", 1, 3, 0)
    assert empty_window(mixed, (1, 1, 5, 5)) == ("H", 6, 5, 0.0)
    for shape, axis in (((1, 1, 5, 6), "W"), ((1, 1, 6, 5), "H")):
        found = empty_window(mixed, shape)
        assert found is not None
        assert found[:3] == (axis, 6, 6)
        assert math.isnan(found.value)


RUN = """
import json, sys, numpy as np, caffe
text = open(sys.argv[1]).read()
out = []
for pool, k, s, p, size in json.load(open(sys.argv[2])):
    open(sys.argv[3], 'w').write(text % (size, size, pool, k, s, p))
    net = caffe.Net(sys.argv[3], caffe.TEST)
    net.blobs['x'].data[...] = 1 + np.arange(size * size).reshape(net.blobs['x'].data.shape)
    out.append(net.forward()['y'][0, 0].astype(float).tolist())
json.dump(out, open(sys.argv[4], 'w'))
"""
NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: %d dim: %d } } }
layer { name: "pool" type: "Pooling" bottom: "x" top: "y"
  pooling_param { pool: %s kernel_size: %d stride: %d pad: %d } }
"""


def has_output(pool: str, kernel: int, stride: int, pad: int, size: int) -> bool:
    try:
        return bool(SHAPE_RULES["Pooling"](layer(pool, kernel, stride, pad), [(1, 1, size, size)]))
    except FormatError:
        return False


@pytest.mark.bvlc
def test_every_small_geometry_is_as_real_caffe_computes_it(bvlc: Path, tmp_path: Path) -> None:
    every = product(("MAX", "AVE"), range(1, 5), range(1, 6), range(3), range(1, 9))
    cases = [case for case in every if case[3] < case[1] and has_output(*case)]
    files = [tmp_path / name for name in ("text", "cases.json", "net.prototxt", "out.json")]
    files[0].write_text(NET)
    files[1].write_text(json.dumps(cases))
    run = subprocess.run([bvlc, "-c", RUN, *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    empty = 0
    for (pool, k, s, p, size), values in zip(cases, json.loads(files[3].read_text()), strict=True):
        output = np.array(values)
        built = layer(pool, k, s, p)
        (top,), _ = SHAPE_RULES["Pooling"](built, [(1, 1, size, size)])
        assert top[2:] == output.shape, (pool, k, s, p, size)
        found = empty_window(built, (1, 1, size, size))
        # All pixels are positive, so that only an empty window gives one of these.
        strange = ~(output > 0)
        assert strange.any() == (found is not None), (pool, k, s, p, size)
        if found is not None:
            empty += 1
            np.testing.assert_equal(np.abs(output[-1, -1]), np.abs(found.value))
    assert empty > 50
