"""NCCL: solvers that average their gradients, as BVLC's class of this name, over torch.distributed."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed as dist

from caffekit.pycaffe.mode import device, set_multiprocess, solver_count, solver_rank

MEET = timedelta(minutes=10)
WAIT = timedelta(days=7)
"""The others wait while the first process tests; PyTorch's 10 minutes are too short for that."""


def has_nccl() -> bool:
    """Whether solvers can train together here; over gloo where there is no CUDA."""
    return dist.is_available()


class NCCL:
    """NCCL(solver, uid): one of the solver_count() processes that train together, the solver_rank()-th.

    Each keeps its own share of the records; `bcast()` starts all from the first one's weights; given to
    `solver.add_callback` it averages the gradients before each update, and given to `net.after_backward` it
    begins to while the backward pass goes on. BatchNorm's sums stay each process's own, as in Caffe.
    Runs over nccl on CUDA, gloo on the CPU. `uid` is new_uid()'s, of the process that started the others
    (all on this machine); "" for processes that torchrun started (on any machines).
    RuntimeError when the others do not come, or are gone.
    """

    def __init__(self, solver: Any, uid: str | bytes = "") -> None:
        if not has_nccl():
            raise RuntimeError("NCCL: this PyTorch is built without torch.distributed")
        set_multiprocess(True)
        self._solver = solver
        self._begun: list[Any] = []
        self._due = _last_uses(solver.net)
        if not dist.is_initialized():
            _join(os.fsdecode(uid))
        self._group = _patient_group()
        if (met := dist.get_world_size()) != solver_count():
            raise RuntimeError(f"NCCL: {met} processes have met, but set_solver_count said {solver_count()}")

    @staticmethod
    def new_uid() -> bytes:
        """A name under which processes of this machine find each other, for as long as this process lives."""
        folder = tempfile.mkdtemp(prefix="caffekit-nccl-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return f"file://{folder}/meeting".encode()

    def bcast(self) -> None:
        """Give every process the first one's parameters."""
        flat = _flat([blob.value for blob, *_ in self._solver.net.learnable])
        dist.broadcast(flat, 0, self._group)
        _spread(flat, [blob.value for blob, *_ in self._solver.net.learnable])

    def __call__(self, layer: int) -> None:
        """After the backward pass of `layer`: begin to sum the gradients that no later layer adds to."""
        if self._solver.param.iter_size == 1:
            for blob in self._due.get(layer, []):
                self._begun.append(dist.all_reduce(blob.grad, group=self._group, async_op=True))

    def on_start(self) -> None:
        """Nothing: an iteration begins without the others."""

    def on_gradients_ready(self) -> None:
        """Average the gradients over all processes."""
        grads = [blob.grad for blob, *_ in self._solver.net.learnable]
        if self._begun:
            for work in self._begun:
                work.wait()
            self._begun = []
        elif grads:
            flat = _flat(grads)
            dist.all_reduce(flat, group=self._group)
            _spread(flat, grads)
        for grad in grads:
            grad.mul_(1 / solver_count())


def _join(uid: str) -> None:
    """Meet the other processes."""
    backend = "gloo"
    if device().type == "cuda":
        backend = "nccl"
        torch.cuda.set_device(device())
    if uid:
        if sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # they are all here: nothing leaves the machine
        dist.init_process_group(
            backend, init_method=uid, rank=solver_rank(), world_size=solver_count(), timeout=MEET
        )
    elif "RANK" in os.environ:
        dist.init_process_group(backend, timeout=MEET)
    else:
        raise RuntimeError("NCCL: give it a new_uid(), or start the processes with torchrun")
    atexit.register(_leave)


@cache
def _patient_group() -> Any:
    """All processes, with more patience than they had to meet."""
    return dist.new_group(timeout=WAIT)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _last_uses(net: Any) -> dict[int, list[Any]]:
    """{layer: the learnable blobs of which it is the first user, so the last one in the backward pass}."""
    due: dict[int, list[Any]] = {}
    for blob, *_ in net.learnable:
        own = blob.grad.data_ptr()
        for index, layer in enumerate(net.layers):
            if any(each.grad.data_ptr() == own for each in layer.blobs if each.count):
                due.setdefault(index, []).append(blob)
                break
    return due


def _flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _spread(flat: torch.Tensor, tensors: list[torch.Tensor]) -> None:
    """Copy `flat` back into the tensors that it was made of."""
    start = 0
    for tensor in tensors:
        tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
        start += tensor.numel()
