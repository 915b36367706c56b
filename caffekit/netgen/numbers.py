"""Numbers and texts as a person writes them in a prototxt."""

from __future__ import annotations

import numpy as np


def plain(value: float) -> str:
    """The shortest decimal that is the same float32: 0.01, 0.000001, 33.31; no exponent."""
    return np.format_float_positional(np.float32(value), unique=True, trim="-")


def quoted(text: str) -> str:
    """A prototxt string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
