"""The generated references are those of this code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_references_are_fresh() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "docs"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_is_documented() -> None:
    from caffekit.config.describe import sections
    from caffekit.config.schema import Settings

    silent = [".".join(path) for path, field in sections(Settings) if not field.description]
    assert not silent
