"""Imports go down only, never sideways, and the command line starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "caffekit"

FLOORS = [
    {"errors", "report", "options", "memory"},
    {"config", "formats"},
    {"graph", "transforms"},
    {"checks", "netgen", "pycaffe"},
    {"face", "diagnosis", "engines", "runs", "reports"},
    {"steps"},
    {"cli"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
# A package that may be imported in one place only. Torch is the heaviest, click the most intrusive.
HOMES = {
    "torch": {"pycaffe", "face"},
    "click": {"cli"},
    "lmdb": {"formats"},
    "google": {"formats", "pycaffe"},
}
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE and "inside_caffe" not in p.parts)


def imports_of(path: Path) -> list[str]:
    """The dotted names that `path` imports, at module level and inside functions alike."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = path.relative_to(PACKAGE.parent).with_suffix("").parts[: -node.level]
                base = ".".join([*parent, base]).rstrip(".")
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    for name in imports_of(path):
        top, *rest = name.split(".")
        if top in HOMES:
            assert room in HOMES[top], f"{name} may be imported in {sorted(HOMES[top])} only"
        if top == "caffekit" and rest and rest[0] in FLOOR and rest[0] != room:
            assert FLOOR[rest[0]] < FLOOR[room], f"{name} is not below {room}"


def test_every_room_has_a_floor() -> None:
    rooms = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert rooms <= set(FLOOR), f"no floor for {rooms - set(FLOOR)}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "inside_caffe").glob("*.py")), ids=lambda p: p.name)
def test_inside_caffe_stands_alone(path: Path) -> None:
    """It runs beside real Caffe, where neither caffekit nor its dependencies are installed."""
    neighbours = {other.stem for other in path.parent.glob("*.py")}
    allowed = {"caffe", "numpy", "__future__"} | set(sys.stdlib_module_names) | neighbours
    assert {name.split(".")[0] for name in imports_of(path)} <= allowed


def test_the_command_line_starts_light() -> None:
    code = "import sys, caffekit.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "torch",
        "cv2",
        "numpy",
        "matplotlib",
        "lmdb",
        "pydantic",
        "google.protobuf",
        "sklearn",
        "joblib",
    }
    assert not heavy & set(loaded)
