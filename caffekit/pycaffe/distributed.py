"""Data-parallel training under torchrun: every process its share of the records, one common update.

    torchrun --nproc-per-node 4 -m caffekit.pycaffe.distributed solver.prototxt

trains a solver so on this machine's GPUs (or cores); with torchrun's --nnodes and --rdzv-endpoint on several
machines. In a script of one's own: join() before the nets are made, together(solver) after it.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import torch

from caffekit.errors import CaffekitError
from caffekit.pycaffe.mode import (
    set_device,
    set_mode_gpu,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
)
from caffekit.pycaffe.nccl import NCCL
from caffekit.pycaffe.solver import Solver
from caffekit.pycaffe.solvers import get_solver


def join(cpu: bool = False) -> None:
    """Be the solver that torchrun started this process as (RANK of WORLD_SIZE), on GPU LOCAL_RANK if any.

    RuntimeError outside of torchrun, and where there are some GPUs but not one for each process.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        raise RuntimeError("join: no RANK and WORLD_SIZE in the environment (start the script with torchrun)")
    set_solver_count(int(os.environ["WORLD_SIZE"]))
    set_solver_rank(int(os.environ["RANK"]))
    set_multiprocess(True)
    if not cpu and torch.cuda.is_available():
        set_device(int(os.environ.get("LOCAL_RANK", "0")))
        set_mode_gpu()


def together(solver: Any, uid: str = "") -> NCCL:
    """Start `solver` from the first process's weights, and average its gradients with the others'."""
    nccl = NCCL(solver, uid)
    nccl.bcast()
    solver.add_callback(nccl)
    if solver.param.layer_wise_reduce:
        solver.net.after_backward(nccl)
    return nccl


def main() -> None:
    """Train the solver that the command line names, from --snapshot or --weights on."""
    parser = argparse.ArgumentParser(prog="torchrun … -m caffekit.pycaffe.distributed")
    parser.add_argument("solver", help="solver.prototxt")
    parser.add_argument("--snapshot", help="a .solverstate to go on from")
    parser.add_argument("--weights", help="a .caffemodel to start from")
    parser.add_argument("--cpu", action="store_true", help="do not use GPUs")
    given = parser.parse_args()
    try:
        join(given.cpu)
        solver = _solver(given)
    except CaffekitError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    except (RuntimeError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    together(solver)
    solver.solve()


def _solver(given: argparse.Namespace) -> Solver:
    solver = get_solver(given.solver)
    if given.weights:
        for net in (solver.net, *solver.test_nets):
            net.copy_from(given.weights)
    if given.snapshot:
        solver.restore(given.snapshot)
    return solver


if __name__ == "__main__":
    main()
