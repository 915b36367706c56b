"""Where to compute: the first GPU where there is one, else the CPU; never silently."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from caffekit.engines.engine import Engine
from caffekit.engines.find import probe
from caffekit.errors import EnvironmentProblem, UsageError

Choice = int | Sequence[int] | str
"""auto, none, all, a GPU's number, or several."""


def choose_device(engine: Engine, gpu: Choice = "auto") -> tuple[int | None, str]:
    """(GPU number or None for the CPU, one line that says so); of several GPUs the first.

    EnvironmentProblem when a GPU is asked for that this engine cannot use.
    """
    first = 0 if gpu == "all" else gpu if isinstance(gpu, int | str) else next(iter(gpu), "auto")
    devices, where = choose_devices(engine, first)
    return (devices[0] if devices else None), where


def choose_devices(engine: Engine, gpu: Choice = "auto") -> tuple[tuple[int, ...], str]:
    """(numbers of the GPUs to train on together, none for the CPU; one line that says so).

    EnvironmentProblem when a GPU is asked for that this engine cannot use. UsageError under torchrun: train
    starts the other processes itself.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        raise UsageError(
            "torchrun has started this, but train starts its processes itself",
            "leave torchrun out and name the GPUs (--gpu 0,1); on several machines run"
            " `torchrun … -m caffekit.pycaffe.distributed solver.prototxt`",
        )
    if gpu == "none":
        return (), f"{engine.name} engine on the CPU"
    if gpu == "auto":
        if not _gpus() or not _usable(engine, 0)[0]:
            return (), f"{engine.name} engine on the CPU (no GPU found that it can use)"
        return (0,), f"{engine.name} engine on GPU 0"
    wanted = _numbers(gpu)
    if len(wanted) > 1 and engine.name != "embedded":
        raise UsageError(
            f"training on several GPUs is not there for the {engine.name} engine",
            "name one GPU (--gpu 0), or take --engine embedded",
        )
    for number in wanted:
        usable, problem = _usable(engine, number)
        if not usable:
            raise EnvironmentProblem(
                f"the {engine.name} engine cannot use GPU {number}: {problem}",
                "leave --gpu out to use the CPU",
            )
    plural = "s" if len(wanted) > 1 else ""
    return wanted, f"{engine.name} engine on GPU{plural} {', '.join(map(str, wanted))}"


def _numbers(gpu: Choice) -> tuple[int, ...]:
    """The GPUs that `gpu` names, all at least the first."""
    if gpu == "all":
        return tuple(range(_gpus())) or (0,)
    wanted = (gpu,) if isinstance(gpu, int) else tuple(int(number) for number in gpu)
    if len(set(wanted)) != len(wanted):
        raise UsageError(f"a GPU is named twice: {', '.join(map(str, wanted))}", "name each one once")
    return wanted


def _gpus() -> int:
    """How many GPUs have a device file (asking the engine takes seconds), 1 if they cannot be counted."""
    dev = Path("/dev")
    counted = len(list(dev.glob("nvidia[0-9]*")))
    return counted or int((dev / "kfd").exists() or (dev / "dxg").exists())


def _usable(engine: Engine, gpu: int) -> tuple[bool, str]:
    found, problem = probe(engine.command, gpu, **engine.env)
    return found is not None, problem
