"""Compiled kernels: the eager engine's numbers, and the same without a compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import caffekit.pycaffe as caffe
from caffekit.engines import find_engine
from caffekit.errors import UsageError
from caffekit.pycaffe import compiled
from caffekit.pycaffe.mode import set_compile

HEAD = """
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 6 dim: %d dim: 20 dim: 18 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 6 } } }
"""
TAIL = """
layer { name: "ip" type: "InnerProduct" bottom: "%s" top: "ip"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def conv(name: str, bottom: str, n: int, k: int, rest: str = "") -> str:
    filler = 'weight_filler { type: "xavier" } bias_filler { type: "uniform" }'
    return f"""layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
        convolution_param {{ num_output: {n} kernel_size: {k} {filler} {rest} }} }}\n"""


def in_place(kind: str, top: str, rest: str = "") -> str:
    return f'layer {{ name: "{top}{kind}" type: "{kind}" bottom: "{top}" top: "{top}" {rest} }}\n'


POOL = """layer { name: "p" type: "Pooling" bottom: "a" top: "p"
        pooling_param { kernel_size: 2 stride: 2 } }\n"""
NETS = {
    "LeNet": (1, conv("a", "data", 20, 5) + POOL + conv("b", "p", 50, 5) + in_place("ReLU", "b")),
    "BatchNorm": (
        16,
        conv("a", "data", 32, 3, "bias_term: false pad: 1")
        + in_place("BatchNorm", "a")
        + in_place("Scale", "a", "scale_param { bias_term: true }")
        + in_place("ReLU", "a")
        + POOL
        + conv("b", "p", 17, 3, "pad: 1"),
    ),
    "groups, in place": (
        32,
        conv("a", "data", 48, 5, "group: 2 pad: 2")
        + in_place("ReLU", "a")
        + in_place("Dropout", "a")
        + conv("b", "a", 36, 3, "group: 2 pad_h: 2 pad_w: 0")
        + in_place("ReLU", "b"),
    ),
}


@pytest.fixture(autouse=True)
def cached(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernels are compiled once for all tests, not into the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    compiled.library.cache_clear()
    yield
    set_compile(False)
    compiled.library.cache_clear()


@pytest.fixture
def kernels(capfd: pytest.CaptureFixture[str]) -> None:
    if compiled.library() is None:
        pytest.skip("no C++ compiler: " + capfd.readouterr().err)


def results(path: Path, channels: int, layers: str, wanted: bool) -> dict[str, np.ndarray]:
    """Everything that one pass computes, from one seed."""
    path.write_text(HEAD % channels + layers + TAIL % "b")
    caffe.set_random_seed(3)
    net = caffe.Net(str(path), caffe.TRAIN)
    random = np.random.RandomState(0)
    net.blobs["data"].data[...] = random.uniform(-1, 1, (6, channels, 20, 18))
    net.blobs["label"].data[...] = np.arange(6) % 5
    set_compile(wanted)
    net.forward()
    net.backward()
    found = {
        f"{name}/{i}": blob.diff.copy() for name, blobs in net.params.items() for i, blob in enumerate(blobs)
    }
    tops = {f"{name} data": blob.data.copy() for name, blob in net.blobs.items()}
    return found | tops | {f"{name} diff": blob.diff.copy() for name, blob in net.blobs.items()}


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", NETS)
def test_equal_to_the_eager_engine(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    run = compiled._run
    monkeypatch.setattr(compiled, "_run", lambda what, *args: (calls.append(what), run(what, *args)))
    eager = results(tmp_path / "n", *NETS[name], False)
    assert not calls
    for key, values in results(tmp_path / "n", *NETS[name], True).items():
        scale = float(np.abs(eager[key]).max()) or 1.0
        np.testing.assert_allclose(values / scale, eager[key] / scale, rtol=0, atol=1e-5, err_msg=key)
    assert set(calls) == {"winograd_forward", "winograd_backward"}


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("size", "pad"), [(3, (0, 0)), (3, (2, 1)), (3, (4, 4)), (5, (0, 2)), (5, (4, 4))])
@pytest.mark.parametrize(("height", "width"), [(5, 5), (7, 16), (33, 6)])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_geometry(
    size: int, pad: tuple[int, int], height: int, width: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against torch in float64."""
    torch.manual_seed(height)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    x, w = torch.randn(3, 18, height, width), torch.randn(23, 18, size, size)
    bias = torch.randn(23)
    wide = [each.double().requires_grad_() for each in (x, w, bias)]
    wanted = torch.nn.functional.conv2d(*wide, padding=pad)
    x = x.contiguous(memory_format=torch.channels_last)
    grad = torch.randn(wanted.shape).contiguous(memory_format=torch.channels_last)
    gradients = torch.autograd.grad(wanted, wide, grad.double())
    found = [compiled.convolve(x, w, bias, pad, 1)]
    found += compiled.convolve_backward(x, w, grad, pad, 1, [True] * 3)
    for got, exact in zip(found, [wanted.detach(), *gradients], strict=True):
        assert float((got - exact).abs().max() / exact.abs().max()) < 2e-5
    some = compiled.convolve_backward(x, w, grad, pad, 1, [False, True, False])
    assert some[0] is None and some[2] is None and torch.equal(some[1], found[2])


def test_without_a_compiler_one_line_and_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    eager = results(tmp_path / "n", *NETS["LeNet"], False)
    capfd.readouterr()
    for _ in range(2):
        without = results(tmp_path / "n", *NETS["LeNet"], True)
    for key, values in without.items():
        np.testing.assert_array_equal(values, eager[key])
    (line,) = capfd.readouterr().err.splitlines()
    assert "compile: computing without compiled kernels (no C++ compiler: install g++ or clang" in line


def test_a_compiler_that_fails_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "1")
    script = tmp_path / "compiler"
    script.write_text("#!/bin/sh\necho no such standard >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert compiled.library() is None
    assert "no such standard" in capfd.readouterr().err
    assert not list((tmp_path / "cache").rglob("*.so")), "nothing half-built stays"


def test_the_setting_reaches_the_engine(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text("from caffekit.pycaffe.mode import compiles; print(compiles())")
    engine = find_engine("embedded", compile=True)
    env = {"PATH": "/usr/bin:/bin", **engine.env}
    done = subprocess.run([*engine.command, str(script)], env=env, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
    assert find_engine("embedded").env["CAFFEKIT_COMPILE"] == "0"
    with pytest.raises(UsageError, match="real Caffe computes by what it was built with"):
        find_engine("bvlc", compile=True)
