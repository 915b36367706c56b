"""Finding an interpreter with real Caffe, and a device."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from caffekit.engines import Engine, choose_device, choose_devices, find_engine
from caffekit.engines import find as find_module
from caffekit.errors import EnvironmentProblem, UsageError


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def caffe_package(folder: Path, code: str) -> Path:
    """An interpreter whose `caffe` is a package of this code."""
    (folder / "site" / "caffe").mkdir(parents=True)
    (folder / "site" / "caffe" / "__init__.py").write_text(code)
    return script(folder / "python", f'PYTHONPATH={folder / "site"} exec {sys.executable} "$@"')


REAL = "__version__ = '1.0.0'\nNet = get_solver = object\n"


def test_the_named_interpreter_must_work(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="No such file") as caught:
        find_engine("bvlc", tmp_path / "nope")
    assert caught.value.exit_code == 7
    assert "scripts/install-bvlc-caffe" in caught.value.hint


@pytest.mark.parametrize("body", ["exit 0", "echo hello"])
def test_a_program_that_is_no_python_is_said_so(tmp_path: Path, body: str) -> None:
    with pytest.raises(EnvironmentProblem, match="does not answer as a Python interpreter") as caught:
        find_engine("bvlc", script(tmp_path / "other", body))
    assert caught.value.exit_code == 7


def test_the_placeholder_of_the_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="empty placeholder"):
        find_engine("bvlc", caffe_package(tmp_path, ""))


def test_an_import_that_fails_is_quoted(tmp_path: Path) -> None:
    python = caffe_package(
        tmp_path, "raise ImportError('libboost_python.so: cannot open shared object file')"
    )
    with pytest.raises(EnvironmentProblem, match=r"libboost_python.so"):
        find_engine("bvlc", python)


def test_the_order_of_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAFFEKIT_CAFFE_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(find_module, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EnvironmentProblem, match="none installed"):
        find_engine("bvlc")
    places = []
    for folder in ("cache/caffekit/bvlc-caffe", "checkout/.bvlc-caffe", ".bvlc-caffe"):
        places.append(caffe_package(tmp_path / folder, REAL))
        assert find_engine("bvlc").path == str(places[-1])  # preferred to those before
    monkeypatch.setenv("CAFFEKIT_CAFFE_PYTHON", str(caffe_package(tmp_path / "own", REAL)))
    assert find_engine("bvlc").path == str(tmp_path / "own" / "python")
    (places[-1].parent / "site" / "caffe" / "__init__.py").write_text("")
    assert find_engine("bvlc", places[1]).version == "1.0.0"


def test_unknown_engine() -> None:
    with pytest.raises(UsageError, match="unknown engine 'caffe2'"):
        find_engine("caffe2")


def test_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_gpu = "import os\n" + REAL + "def set_device(n): os.abort()\ndef set_mode_gpu(): pass\n"
    python = caffe_package(tmp_path / "a", no_gpu)
    engine = Engine("bvlc", (str(python),))
    assert choose_device(engine, "none") == (None, "bvlc engine on the CPU")
    with pytest.raises(EnvironmentProblem, match="cannot use GPU 3"):
        choose_device(engine, 3)
    with pytest.raises(UsageError, match="several GPUs is not there for the bvlc engine"):
        choose_devices(engine, [0, 1])
    monkeypatch.setattr("caffekit.engines.device._gpus", lambda: 2)
    assert choose_device(engine, "auto")[0] is None
    good = caffe_package(tmp_path / "b", REAL + "def set_device(n): pass\ndef set_mode_gpu(): pass\n")
    assert choose_device(Engine("bvlc", (str(good),)), "auto") == (0, "bvlc engine on GPU 0")
    ours = Engine("embedded", (str(good),))
    assert choose_devices(ours, "all") == ((0, 1), "embedded engine on GPUs 0, 1")
    assert choose_devices(ours, [1, 0]) == ((1, 0), "embedded engine on GPUs 1, 0")
    assert choose_device(ours, [1, 0]) == (1, "embedded engine on GPU 1")  # evaluate takes one
    with pytest.raises(UsageError, match="named twice: 1, 1"):
        choose_devices(ours, [1, 1])
    assert choose_devices(ours, "none") == ((), "embedded engine on the CPU")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="train starts its processes itself"):
        choose_devices(ours, "none")
