"""The run directory: what stands where, and who may write in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from caffekit.errors import Locked, UsageError, os_errors
from caffekit.formats.atomic import write_text
from caffekit.report import dumps

# What marks a run directory: written first, deleted last.
MARK = "inputs.json"
OURS = (
    "summary.json", "report.html", "metrics.csv", "events.jsonl", "best.json", "best.caffemodel", "attempts",
    "snapshots", "config.yaml", "train_val.prototxt", "deploy.prototxt", "solver.prototxt", "preprocess.yaml",
    "mean.binaryproto", "labels.txt", "diagnosis.json", "evaluation.json", "augment.json", MARK,
)  # fmt: skip


@dataclass(frozen=True)
class RunDir:
    """runs/NAME: names as CLI.md promises them."""

    path: Path

    @property
    def solver(self) -> Path:
        """The solver as the training was asked for; attempts/N has what was really run."""
        return self.path / "solver.prototxt"

    @property
    def net(self) -> Path:
        """The net as the training was asked for."""
        return self.path / "train_val.prototxt"

    @property
    def snapshots(self) -> Path:
        """Where NAME_iter_N.caffemodel and .solverstate are written."""
        return self.path / "snapshots"

    @property
    def events(self) -> Path:
        """Every event of every attempt but the iterations, a JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def summary(self) -> Path:
        """What `caffekit train --json` prints, from the beginning of the training on."""
        return self.path / "summary.json"

    @property
    def best_model(self) -> Path:
        """A copy of the best snapshot's weights."""
        return self.path / "best.caffemodel"

    def attempt(self, number: int) -> Path:
        """attempts/N."""
        return self.path / "attempts" / str(number)

    def attempts(self) -> list[int]:
        """The numbers of the attempts that there are."""
        folders = (self.path / "attempts").glob("*")
        return sorted(int(folder.name) for folder in folders if folder.name.isdigit())

    def exists(self) -> bool:
        """Whether a training was begun here."""
        return (self.path / MARK).exists()

    def refuse_other(self) -> None:
        """UsageError if something that is no run directory stands there; hidden files do not count."""
        if self.exists() or not self.path.exists():
            return
        if any(not path.name.startswith(".") for path in self.path.iterdir()):
            raise UsageError(f"{self.path} exists and is no run directory", "give another --run-dir")

    @property
    def complete(self) -> bool:
        """Whether all that a training needs was written: not so if it was killed at once."""
        return self.exists() and self.solver.exists() and self.net.exists()

    def clear(self) -> None:
        """Delete what a training wrote here; anything else stays."""
        for name in OURS:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other runs out; the lock goes with the process. Locked (exit 75) if another one has it."""
        path = self.path.parent / f".{self.path.name}.lock"
        with os_errors("writing", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                message = f"another process is training in {self.path}"
                raise Locked(message, "wait for it, or take another --run-dir") from None
        try:
            yield
        finally:
            lock.release()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of ours; {} when there is none or it was cut short."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write an object as JSON, atomically; nan and infinities become strings."""
    write_text(path, dumps(value, indent=2) + "\n")
