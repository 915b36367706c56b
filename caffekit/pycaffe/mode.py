"""Where the net computes, as which of how many solvers, and its random numbers.

set_mode_cpu, set_mode_gpu, set_device; set_solver_count, set_solver_rank, set_multiprocess; set_random_seed.
"""

from __future__ import annotations

import os
import secrets

import numpy as np
import torch
from numpy.typing import NDArray

from caffekit.pycaffe import ziggurat

_device = torch.device("cpu")
_gpu_id = 0


def device() -> torch.device:
    """The device on which blobs are made."""
    return _device


def set_mode_cpu() -> None:
    """Compute on the CPU."""
    global _device
    _device = torch.device("cpu")


def set_mode_gpu() -> None:
    """Compute on the GPU that set_device chose (the first one by default).

    Raises RuntimeError where there is none: BVLC's CHECK would abort the process. With CAFFEKIT_CPU=1 in the
    environment it computes on the CPU instead, so that scripts written for GPUs run where there are none.
    """
    global _device
    if os.environ.get("CAFFEKIT_CPU") == "1":
        set_mode_cpu()
        return
    if not torch.cuda.is_available():
        raise RuntimeError("set_mode_gpu: no CUDA device is available")
    if _gpu_id >= torch.cuda.device_count():
        raise RuntimeError(f"set_device: no GPU {_gpu_id}, this machine has {torch.cuda.device_count()}")
    _device = torch.device("cuda", _gpu_id)


def set_device(gpu_id: int) -> None:
    """Choose the GPU that set_mode_gpu uses."""
    global _gpu_id
    _gpu_id = gpu_id
    if _device.type == "cuda":
        set_mode_gpu()


PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}
_precision = torch.float32


def narrow(x: torch.Tensor) -> torch.Tensor:
    """`x` in the precision in which convolutions and inner products compute."""
    return x if _precision is torch.float32 else x.to(_precision)


def set_precision(name: str) -> None:
    """Let convolutions and inner products take their operands as float32 (Caffe's) or bf16.

    Blobs, gradients, sums within the products and updates stay float32. bf16 wins where the processor or GPU
    has instructions for it. ValueError for another name.
    """
    global _precision
    if name not in PRECISIONS:
        raise ValueError(f"unknown precision: {name} (known: {', '.join(PRECISIONS)})")
    _precision = PRECISIONS[name]


_compile = False


def compiles() -> bool:
    """Whether kernels that are compiled on this machine are wanted."""
    return _compile


def set_compile(wanted: bool) -> None:
    """Convolve by kernels that are compiled for this processor on first use, where they are quicker (CPU).

    They multiply less and round more: results differ from Caffe's by some 1e-5. Without a C++ compiler a line
    in the log says so, and all is computed as ever.
    """
    global _compile
    _compile = wanted


_spare_memory = False


def spares_memory() -> bool:
    """Whether gradients of activations are freed as soon as they are used."""
    return _spare_memory


def set_spare_memory(spare: bool) -> None:
    """Free the gradients of activations as soon as they are used: afterwards their `diff` reads as zeros.

    Training through the worker does so; scripts may look at any blob's diff, as in BVLC Caffe.
    """
    global _spare_memory
    _spare_memory = spare


# --- one of several solvers (data parallel; see distributed.py) -----------------------------------------

_solver_count, _solver_rank, _multiprocess = 1, 0, False


def solver_count() -> int:
    """How many solvers train together, each on its own share of the records."""
    return _solver_count


def set_solver_count(count: int) -> None:
    """Say how many solvers train together; ValueError below 1."""
    global _solver_count
    if count < 1:
        raise ValueError(f"set_solver_count: expected 1 or more, got {count}")
    _solver_count = count


def solver_rank() -> int:
    """Which of the solvers this one is, from 0."""
    return _solver_rank


def set_solver_rank(rank: int) -> None:
    """Say which of the solvers this one is, from 0; ValueError below 0."""
    global _solver_rank
    if rank < 0:
        raise ValueError(f"set_solver_rank: expected 0 or more, got {rank}")
    _solver_rank = rank


def multiprocess() -> bool:
    """Whether each solver runs in a process of its own."""
    return _multiprocess


def set_multiprocess(value: bool) -> None:
    """Say whether each solver runs in a process of its own, as they always do here."""
    global _multiprocess
    _multiprocess = value


# --- random numbers -------------------------------------------------------------------------------------


class Rng:
    """Caffe's random stream: one mt19937, drawn from as BVLC's fillers and transformers do.

    numpy's RandomState(seed) is the same generator; its raw 32-bit words are Caffe's.
    """

    def __init__(self, seed: int) -> None:
        self.state = np.random.RandomState(seed & 0xFFFFFFFF)

    def words(self, n: int) -> NDArray[np.uint32]:
        """The next `n` raw 32-bit words."""
        return self.state.randint(0, 2**32, size=n, dtype=np.uint32)

    def word(self) -> int:
        """The next raw 32-bit word."""
        return int(self.words(1)[0])

    def uniform(self, low: float, high: float, n: int) -> NDArray[np.float32]:
        """`n` float32 numbers in [low, high], as boost::uniform_real over the raw words gives them."""
        a, b = np.float32(low), np.nextafter(np.float32(high), np.float32(np.inf), dtype=np.float32)
        out = np.empty(n, np.float32)
        for start in range(0, n, 1 << 20):  # in pieces, so as not to hold many times the memory of the result
            piece = out[start : start + (1 << 20)]
            piece[:] = self.words(piece.size).astype(np.float32) / np.float32(2**32) * (b - a) + a
            while (redraw := np.flatnonzero(piece >= b)).size:
                piece[redraw] = self.words(redraw.size).astype(np.float32) / np.float32(2**32) * (b - a) + a
        return out

    def bernoulli(self, p: float, n: int) -> NDArray[np.bool_]:
        """`n` booleans, each true with probability `p`, as Boost's distribution draws them."""
        out: NDArray[np.bool_] = self.words(n).astype(np.float32) <= np.float32(p) * np.float32(2**32)
        return out

    def gaussian(self, mean: float, std: float, n: int) -> NDArray[np.float32]:
        """`n` normally distributed float32 numbers, as Boost's distribution draws them."""
        return ziggurat.normals(self.state, n) * np.float32(std) + np.float32(mean)


_rng: list[Rng] = []


def rng() -> Rng:
    """The process's random stream; seeded by set_random_seed, else by the operating system."""
    if not _rng:
        set_random_seed(secrets.randbits(32))
    return _rng[0]


def set_random_seed(seed: int) -> None:
    """Start all random streams (fillers, dropout, transformers) anew from `seed`."""
    _rng[:] = [Rng(seed)]
    torch.manual_seed(seed)
