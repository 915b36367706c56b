"""Kernels in C++ for the CPU, compiled for this very processor when they are first wanted (winograd.cpp)."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

import torch

from caffekit.errors import CaffekitError
from caffekit.formats.atomic import atomic_file
from caffekit.pycaffe.log import log
from caffekit.pycaffe.mode import compiles

SOURCE = Path(__file__).with_name("winograd.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
COMPILE_SECONDS = 300
FEWEST_CHANNELS = 16
"""Of a group, below which transforming the tiles takes longer than the products that it saves."""


def fits(x: torch.Tensor, weight: torch.Tensor, stride: tuple[int, ...], dilation: tuple[int, ...]) -> bool:
    """Whether this convolution is to be computed here; compiles the kernels when it is the first one."""
    return (
        compiles()
        and tuple(weight.shape[2:]) in ((3, 3), (5, 5))
        and {*stride, *dilation} == {1}
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and weight.is_contiguous()
        and library() is not None
    )


def convolve(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, pad: tuple[int, ...], group: int
) -> torch.Tensor:
    """The convolution of `x` (N, C, H, W), channels last, at stride 1; the result lies channels last too."""
    (n, _, *size), (k, _, r, _) = x.shape, weight.shape
    shape = (n, k, *(side + 2 * p - r + 1 for side, p in zip(size, pad, strict=True)))
    y = torch.empty(shape, memory_format=torch.channels_last)
    _run("winograd_forward", r, (x, weight, bias, y), _sizes(x, y, pad, group))
    return y


def convolve_backward(
    x: torch.Tensor,
    weight: torch.Tensor,
    grad: torch.Tensor,
    pad: tuple[int, ...],
    group: int,
    wanted: list[bool],
) -> list[torch.Tensor | None]:
    """The gradients of image, filters and bias, each None unless wanted; `x` and `grad` lie channels last."""
    shapes = (x, weight, grad.new_empty(grad.shape[1]))
    found = [torch.empty_like(shape) if want else None for shape, want in zip(shapes, wanted, strict=True)]
    _run("winograd_backward", weight.shape[2], (x, weight, grad, *found), _sizes(x, grad, pad, group))
    return found


def _sizes(x: torch.Tensor, y: torch.Tensor, pad: tuple[int, ...], group: int) -> list[int]:
    """Winograd.cpp's Sizes."""
    (n, c, h, w), (_, k, *out) = x.shape, y.shape
    return [n, h, w, c, k, *pad, *out, group, torch.get_num_threads()]


def _run(name: str, filter_size: int, tensors: tuple[torch.Tensor | None, ...], sizes: list[int]) -> None:
    pointers = [ctypes.c_void_p(None if each is None else each.data_ptr()) for each in tensors]
    getattr(library(), name)(filter_size, *pointers, (ctypes.c_long * len(sizes))(*sizes))


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None, with one line in the log, where they cannot be compiled."""
    try:
        return ctypes.CDLL(str(_built()))  # torch's OpenMP is loaded already: both share its threads
    except (CaffekitError, OSError, subprocess.SubprocessError) as error:
        reason = " ".join(str(error).split())
        log("compiled.py", f"compile: computing without compiled kernels ({reason})", "W")
        return None


def _built() -> Path:
    """The shared library in the user's cache, compiled unless it is there."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX") or "c++", "g++", "clang++"))), None)
    if compiler is None:
        raise OSError("no C++ compiler: install g++ or clang, or name one in CXX")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=COMPILE_SECONDS)
    texts = [path.read_bytes() for path in (SOURCE, SOURCE.with_suffix(".h"))]
    key = repr((texts, FLAGS, compiler, version.stdout, platform.machine(), _processor()))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caffekit"
    target = cache / f"winograd-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if not target.exists():
        with atomic_file(target) as temporary:
            done = subprocess.run(
                [compiler, *FLAGS, "-o", str(temporary), str(SOURCE)],
                capture_output=True, text=True, errors="replace", timeout=COMPILE_SECONDS,
            )  # fmt: skip
            if done.returncode:
                raise OSError(f"{compiler}: {(done.stderr.splitlines() or ['failed'])[0]}")
    return target


def _processor() -> str:
    """What distinguishes processors that share a cache, as far as the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
