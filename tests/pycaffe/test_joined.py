"""A BatchNorm and the Scale behind it, run as one, give what the two give one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import caffekit.pycaffe as caffe
from caffekit.pycaffe.mode import set_spare_memory

NET = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 dim: 5 dim: 6 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "n" type: "BatchNorm" bottom: "c" top: "%(top)s"
        batch_norm_param { use_global_stats: %(global)s } }
layer { name: "s" type: "Scale" bottom: "%(top)s" top: "%(top)s" scale_param {
        bias_term: true filler { type: "uniform" min: 0.5 max: 2 } bias_filler { type: "uniform" } } }
layer { name: "r" type: "ReLU" bottom: "%(top)s" top: "%(top)s" }
layer { name: "sum" type: "Reduction" bottom: "%(top)s" top: "sum" loss_weight: 1
        reduction_param { operation: SUMSQ } }
"""
Run = Callable[[caffe.Net], None]


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    yield
    set_spare_memory(False)


def whole(net: caffe.Net) -> None:
    net.forward()
    net.backward()


def in_two(net: caffe.Net) -> None:
    """The backward pass is cut between the two layers."""
    net.forward()
    net.backward(end="s")
    net.backward(start="n")


def watched(net: caffe.Net) -> None:
    net.before_forward(lambda i: None)
    whole(net)


def watched_backward(net: caffe.Net) -> None:
    net.forward()
    net.before_backward(lambda i: None)
    net.backward()


def results(path: Path, run: Run, top: str, use_global: str) -> dict[str, np.ndarray]:
    path.write_text(NET % {"top": top, "global": use_global})
    caffe.set_random_seed(5)
    net = caffe.Net(str(path), caffe.TRAIN)
    net.blobs["x"].data[...] = np.random.RandomState(1).uniform(-1, 1, (4, 3, 5, 6))
    for blob, value in zip(net.params["n"], (0.5, 2.0, 1.0), strict=True):
        blob.data[...] = value
    run(net)
    out = {
        f"{name}/{i}/{part}": getattr(blob, part).copy()
        for name, blobs in net.params.items()
        for i, blob in enumerate(blobs)
        for part in ("data", "diff")
    }
    return out | {"top": net.blobs[top].data.copy(), "below": net.blobs["x"].diff.copy()}


@pytest.mark.parametrize("use_global", ["false", "true"])
@pytest.mark.parametrize(("top", "spare"), [("c", False), ("y", False), ("y", True)])
@pytest.mark.parametrize("run", [whole, in_two, watched_backward])
def test_equal_to_one_after_the_other(
    tmp_path: Path, run: Run, top: str, spare: bool, use_global: str
) -> None:
    """In place and not, in training and with the statistics so far, with the backward pass in any pieces."""
    apart = results(tmp_path / "net", watched, top, use_global)
    set_spare_memory(spare)
    for name, values in results(tmp_path / "net", run, top, use_global).items():
        if not spare or name != "below":  # whose gradient training does not keep
            np.testing.assert_allclose(values, apart[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_they_do_run_as_one(tmp_path: Path) -> None:
    """Unless somebody watches, or the norm's top has a gradient that somebody could look at."""
    for top, spare, wanted in (("c", False, True), ("y", False, False), ("y", True, True)):
        (tmp_path / "net").write_text(NET % {"top": top, "global": "false"})
        net = caffe.Net(str(tmp_path / "net"), caffe.TRAIN)
        set_spare_memory(spare)
        net.forward()
        assert [pair.active for pair in net._joined] == [wanted]
    net.after_forward(lambda i: None)
    net.forward()
    assert not net._joined[0].active
