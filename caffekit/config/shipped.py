"""Files that travel with caffekit: example configs and prototxt templates."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from caffekit.errors import UsageError

Kind = Literal["configs", "prototxt_templates"]

_PACKAGE = Path(__file__).parent.parent


def shipped_folder(kind: Kind) -> Path:
    """The folder of `kind`: inside the installed package, else at the top of the checkout."""
    inside = _PACKAGE / kind
    return inside if inside.is_dir() else _PACKAGE.parent / kind


def shipped_names(kind: Kind) -> list[str]:
    """The sorted file names of `kind`."""
    return sorted(path.name for path in shipped_folder(kind).iterdir() if path.is_file())


def shipped(kind: Kind, name: str) -> Path:
    """The path of one shipped file; UsageError naming the others if there is none of that name."""
    path = shipped_folder(kind) / name
    if Path(name).name != name or not path.is_file():
        raise UsageError(f"no {name} in {kind}", f"there are: {', '.join(shipped_names(kind))}")
    return path
