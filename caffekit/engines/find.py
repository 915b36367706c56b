"""Find an engine, and prove that it works before anything is trained with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffekit import __version__
from caffekit.engines.engine import INSIDE, Engine
from caffekit.engines.last_words import readable
from caffekit.errors import EnvironmentProblem, UsageError

CHECKOUT = INSIDE.parent.parent
PROBE_SECONDS = 120
HINT = "run scripts/install-bvlc-caffe, or name an interpreter with --caffe-python or CAFFEKIT_CAFFE_PYTHON"


def find_engine(
    name: str, caffe_python: Path | str | None = None, precision: str = "float32", compile: bool = False
) -> Engine:
    """ "embedded" (this interpreter) or "bvlc" (one with real Caffe). EnvironmentProblem when there is none.

    precision: float32, or bf16 for the products of the embedded engine; compile: with kernels compiled for
    this processor. UsageError for either with real Caffe.

    Real Caffe is looked for in this order: `caffe_python`, CAFFEKIT_CAFFE_PYTHON (one that is named must
    work), what scripts/install-bvlc-caffe made (working directory, checkout, cache), python3 on the path.
    """
    if name == "embedded":
        path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
        command = (sys.executable, "-P", "-m", "caffekit.engines.embedded_child")
        env = {"PYTHONPATH": path, "CAFFEKIT_PRECISION": precision, "CAFFEKIT_COMPILE": str(int(compile))}
        return Engine(name, command, __version__, sys.executable, env)
    if name != "bvlc":
        raise UsageError(f"unknown engine {name!r}", "the engines are embedded and bvlc")
    if precision != "float32":
        raise UsageError(f"real Caffe computes in float32, not {precision}", "train with --engine embedded")
    if compile:
        raise UsageError("real Caffe computes by what it was built with", "train with --engine embedded")
    named = caffe_python or os.environ.get("CAFFEKIT_CAFFE_PYTHON")
    problems = []
    for path in [str(named)] if named else _candidates():
        found, problem = probe((path,))
        if found:
            return Engine("bvlc", (path,), str(found["version"]), path)
        problems.append(f"{path}: {problem}")
    raise EnvironmentProblem(f"no real Caffe: {'; '.join(problems) or 'none installed'}", HINT)


def _candidates() -> Iterator[str]:
    """Interpreters that may have real Caffe, best first."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caffekit"
    for folder in (Path.cwd() / ".bvlc-caffe", CHECKOUT / ".bvlc-caffe", cache / "bvlc-caffe"):
        if (folder / "python").exists():
            yield str(folder / "python")
    python = shutil.which("python3")
    if python and not os.path.samefile(python, sys.executable):
        yield python


def probe(command: tuple[str, ...], gpu: int | None = None, **env: str) -> tuple[dict[str, Any] | None, str]:
    """What inside_caffe/probe.py says under that interpreter, or None and why not."""
    args = [*command, str(INSIDE / "probe.py"), *([str(gpu)] if gpu is not None else [])]
    try:
        done = subprocess.run(
            args, capture_output=True, text=True, errors="replace", timeout=PROBE_SECONDS,
            env={**os.environ, **env},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, error.strerror or str(error) if isinstance(error, OSError) else "no answer"
    if done.returncode:
        return None, readable(done.returncode, done.stderr)
    try:  # `import caffe` may print lines of its own before ours
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return None, "it does not answer as a Python interpreter does"
    if not found["real"]:
        return None, "its `caffe` is not Caffe (the one on the Python index is an empty placeholder)"
    return found, ""
