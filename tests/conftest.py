"""Fixtures of all tests: real Caffe and the shared data set, each skipping loudly where it is absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

# Nets announce every layer, as Caffe does; tests read the log where they are about it.
os.environ.setdefault("GLOG_minloglevel", "1")
# Several test processes share few cores: threads that spin while they wait would slow each other manyfold.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def bvlc() -> Path:
    """An interpreter in which `import caffe` is real BVLC Caffe."""
    named = os.environ.get("CAFFEKIT_CAFFE_PYTHON")
    path = Path(named) if named else ROOT / ".bvlc-caffe" / "python"
    if not path.exists():
        pytest.skip(f"no real Caffe ({path} is absent): run scripts/install-bvlc-caffe")
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data kept outside the project; CAFFEKIT_SHARED names it."""
    path = Path(os.environ.get("CAFFEKIT_SHARED", ROOT.parent / "shared"))
    if not (path / "data").is_dir():
        pytest.skip("no shared data (set CAFFEKIT_SHARED to the folder that holds data/ and tools/)")
    return path


@pytest.fixture(params=["embedded", pytest.param("bvlc", marks=pytest.mark.bvlc)])
def engine(request: pytest.FixtureRequest) -> Any:
    """Each engine in turn; the bvlc one skips without real Caffe."""
    from caffekit.engines import find_engine

    python = request.getfixturevalue("bvlc") if request.param == "bvlc" else None
    return find_engine(request.param, python)
