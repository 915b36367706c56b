"""Outputs that are there whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffekit.errors import CaffekitError, UsageError, os_errors


def refuse_existing(path: Path, overwrite: bool) -> None:
    """UsageError if `path` exists and may not be replaced; an empty folder does not count."""
    empty = path.is_dir() and not any(path.iterdir())
    if path.exists() and not overwrite and not empty:
        raise UsageError(f"{path} exists already", "choose another output, or give --overwrite to replace it")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` when the block ends without an error."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    with os_errors("writing", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it becomes `path` when the block ends without an error.

    An existing `path` is replaced only with `overwrite` (or when empty), and only at the very end.
    """
    path = Path(path)
    refuse_existing(path, overwrite)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    old = path.with_name(f".{path.name}.old-{os.getpid()}")
    with os_errors("writing", path):
        sweep(path)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
        except CaffekitError as error:  # people know the folder by the name that they gave
            error.message = error.message.replace(str(temporary), str(path))
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def sweep(path: Path) -> None:
    """Remove what killed processes left of writing `path`: a living one's work, and an only copy, stay."""
    kinds = ["tmp", "old"] if path.exists() else ["tmp"]
    # With two dots: what was left of writing a temporary file atomically.
    patterns = [f"{dots}{path.name}.{kind}-*" for kind in kinds for dots in (".", "..")]
    for left in [each for pattern in patterns for each in path.parent.glob(pattern)]:
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not _is_running(int(pid)):
            remove(left)


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def _sync(path: Path) -> None:
    """Make sure the bytes are on disk before the name says so."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
