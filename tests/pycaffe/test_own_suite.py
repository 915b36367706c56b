"""pycaffe's own tests, unmodified, pass with our module in the place of `caffe`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def own_tests() -> Path:
    """python/caffe/test of the BVLC/caffe checkout that CAFFE_SRC names."""
    if not os.environ.get("CAFFE_SRC"):
        pytest.skip("no BVLC/caffe checkout (set CAFFE_SRC to one)")
    return Path(os.environ["CAFFE_SRC"]) / "python" / "caffe" / "test"


def test_pycaffes_own_suite(own_tests: Path) -> None:
    there = sum(
        len(re.findall(r"^    def test", path.read_text(), re.M)) for path in own_tests.glob("test_*.py")
    )
    assert there, f"no tests in {own_tests}"
    script = Path(__file__).parent / "own_suite.py"
    run = subprocess.run([sys.executable, script, own_tests], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-5000:]
    assert f"Ran {there} tests" in run.stderr
