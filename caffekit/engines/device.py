"""Where to compute: the first GPU where there is one, else the CPU; never silently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from caffekit.engines.engine import Engine
from caffekit.engines.find import probe
from caffekit.errors import EnvironmentProblem, UsageError


def choose_device(engine: Engine, gpu: int | Sequence[int] | str = "auto") -> tuple[int | None, str]:
    """(GPU number or None for the CPU, one line that says so).

    gpu: "auto", "none", "all", a number or a list. EnvironmentProblem when a GPU is asked for and there
    is none that this engine can use.
    """
    if gpu == "none":
        return None, f"{engine.name} engine on the CPU"
    if gpu == "auto":
        if not _maybe_gpu() or not _usable(engine, 0)[0]:
            return None, f"{engine.name} engine on the CPU (no GPU found that it can use)"
        return 0, f"{engine.name} engine on GPU 0"
    wanted = [0] if gpu == "all" else [gpu] if isinstance(gpu, int) else [int(number) for number in gpu]
    if len(wanted) != 1:
        raise UsageError("training on several GPUs is not there yet", "name one GPU: --gpu 0")
    usable, problem = _usable(engine, wanted[0])
    if not usable:
        raise EnvironmentProblem(
            f"the {engine.name} engine cannot use GPU {wanted[0]}: {problem}",
            "leave --gpu out to use the CPU",
        )
    return wanted[0], f"{engine.name} engine on GPU {wanted[0]}"


def _maybe_gpu() -> bool:
    """Whether there is a GPU's device file: asking the engine takes seconds."""
    dev = Path("/dev")
    return any(dev.glob("nvidia[0-9]*")) or (dev / "kfd").exists() or (dev / "dxg").exists()


def _usable(engine: Engine, gpu: int) -> tuple[bool, str]:
    found, problem = probe(engine.command, gpu, **engine.env)
    return found is not None, problem
