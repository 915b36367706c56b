"""What a step did: one object for people, for --json and for --dry-run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffekit.errors import CaffekitError

Json = dict[str, Any]


@dataclass
class Report:
    """The result of one step.

    `summary` is what `--json` prints beside the fixed keys (and what `summary.json` holds);
    `lines` is the short text for people; `next` the command that sensibly follows.
    """

    command: str
    summary: Json = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    exit_code: int = 0
    next: str = ""
    error: CaffekitError | None = None

    @property
    def status(self) -> str:
        """"ok", or "failed" when an error is set; findings (exit 3) are a result, not a failure."""
        return "failed" if self.error else "ok"

    def fail(self, error: CaffekitError) -> Report:
        """Record `error` as the end of this step, keeping what was done until then."""
        self.error = error
        self.exit_code = error.exit_code
        return self

    def as_json(self) -> Json:
        """The object `--json` prints."""
        out: Json = {
            "command": self.command,
            "status": self.status,
            "exit_code": self.exit_code,
            "warnings": self.warnings,
            **self.summary,
        }
        if self.error:
            out["error"] = {"kind": self.error.kind, "message": self.error.message, "hint": self.error.hint}
        return out

    def __str__(self) -> str:
        return "\n".join(self.lines + ([f"next: {self.next}"] if self.next else []))


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON text in which nan and infinities are the strings "nan", "inf", "-inf" (JSON has none)."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def plain(value: Any) -> Any:
    """`value` with numpy scalars, paths and non-finite floats turned into what JSON can hold."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy here
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
