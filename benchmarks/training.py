"""Training on the CPU against real Caffe and plain PyTorch: speed, memory, time to the first iteration."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import nets

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = {
    "caffe": str(ROOT / ".bvlc-caffe/python"),
    "caffekit": sys.executable,
    "compiled": sys.executable,
    "torch": sys.executable,
}

TEXT = """## Training on the CPU

Forward, backward and update on synthetic data in float32, images/s. Real Caffe runs with OpenBLAS, on the same
cores; PyTorch is the same net written by hand (`benchmarks/nets_in_torch.py`: nn.Module, autograd, torch.optim); compiled is caffekit with `train.compile`.

| net (batch) | caffekit | real Caffe | ratio | plain PyTorch | ratio | compiled | ratio to real Caffe |
|---|---|---|---|---|---|---|---|
{speeds}

Geometric mean against real Caffe: {mean:.2f}, compiled {compiled_mean:.2f}; against plain PyTorch: {torch_mean:.2f}.

### Memory and start

MiB of peak memory above the bare import of each, in the same trainings (as `caffekit train` runs them: gradients
of activations are freed once used), and seconds from before the import to the end of the first iteration.

| net (batch) | memory: caffekit | real Caffe | ratio | start: caffekit | real Caffe |
|---|---|---|---|---|---|
{memories}

{notes}"""


def train(kind: str, net: str, seconds: float) -> dict[str, Any]:
    """What bench_train.py prints for one engine and one net."""
    cores = str(len(os.sched_getaffinity(0)))
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": cores, "GLOG_minloglevel": "2"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [PYTHONS[kind], str(ROOT / "benchmarks/train_one.py"), kind, net, str(seconds)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def medians(net: str, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """The medians of each engine's figures for `net`, over `rounds` in which they take turns."""
    turns = [{kind: train(kind, net, seconds) for kind in PYTHONS} for _ in range(rounds)]
    return {
        kind: {key: statistics.median(turn[kind][key] for turn in turns) for key in turns[0][kind]}
        for kind in PYTHONS
    }


def compare(net: str, batch: int, of: dict[str, dict[str, float]]) -> tuple[str, str]:
    """The lines of the two tables."""
    ours, real, torch, compiled = (of[kind] for kind in ("caffekit", "caffe", "torch", "compiled"))
    speed = (
        f"| {net} ({batch}) | {ours['speed']:.4g} | {real['speed']:.4g} | {ours['speed'] / real['speed']:.2f}"
        f" | {torch['speed']:.4g} | {ours['speed'] / torch['speed']:.2f}"
        f" | {compiled['speed']:.4g} | {compiled['speed'] / real['speed']:.2f} |"
    )
    memory = (
        f"| {net} ({batch}) | {ours['memory']:.0f} | {real['memory']:.0f}"
        f" | {ours['memory'] / real['memory']:.2f} | {ours['start']:.1f} s | {real['start']:.1f} s |"
    )
    print(speed, memory, sep="\n", flush=True)
    return speed, memory


def section(rounds: int, seconds: float) -> str:
    """What `scripts/bench` writes into the page: medians over `rounds` in which all take turns."""
    figures = {net: medians(net, rounds, seconds) for net in nets.NETS}
    lines = [compare(net, batch, figures[net]) for net, batch in nets.NETS.items()]

    def mean(kind: str, rival: str) -> float:
        return statistics.geometric_mean(of[kind]["speed"] / of[rival]["speed"] for of in figures.values())

    return TEXT.format(
        speeds="\n".join(speed for speed, _ in lines),
        mean=mean("caffekit", "caffe"),
        compiled_mean=mean("compiled", "caffe"),
        torch_mean=mean("caffekit", "torch"),
        memories="\n".join(memory for _, memory in lines),
        notes=(ROOT / "benchmarks/training.md").read_text(encoding="utf-8"),
    )
