"""Golden pairs: tests/cases/netgen/NAME.yaml → NAME.{train_val,deploy,solver}.prototxt.

`python -m tests.netgen.test_generate` writes the expected files anew; read the diff before committing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from caffekit.config.block_schema import BlockSettings
from caffekit.config.solver_schema import SolverSettings
from caffekit.config.yaml12 import parse
from caffekit.netgen import TEMPLATES, Data, NetOptions, generate

CASES = sorted((Path(__file__).parent.parent / "cases" / "netgen").glob("*.yaml"))


def texts(case: Path) -> dict[str, str]:
    """The three files of one case."""
    given: dict[str, Any] = parse(case.read_text(), case.name, Path()).values
    data = {key: tuple(v) if isinstance(v, list) else v for key, v in given["data"].items()}
    solver = dict(SolverSettings.model_validate(given["solver"]))
    out = generate(
        given["template"],
        Data(**data),
        options_of(given.get("options", {})),
        solver,
        net_path="nets/train_val.prototxt",
        snapshot_prefix="snapshots/x",
        mode=given.get("mode", "CPU"),
    )
    return {"train_val": out.train_val, "deploy": out.deploy, "solver": out.solver}


def options_of(given: dict[str, Any]) -> NetOptions:
    """NetOptions as a config gives them: blocks with their defaults."""
    blocks = tuple(BlockSettings(**block).model_dump() for block in given.get("blocks", ()))
    return NetOptions(**{**given, "blocks": blocks})


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
@pytest.mark.parametrize("kind", ["train_val", "deploy", "solver"])
def test_golden(case: Path, kind: str) -> None:
    assert texts(case)[kind] == case.with_suffix(f".{kind}.prototxt").read_text()


def test_every_template_has_a_case() -> None:
    assert {*TEMPLATES, "blocks"} == {
        parse(case.read_text(), "", Path()).values["template"] for case in CASES
    }


if __name__ == "__main__":
    for path in CASES:
        for name, text in texts(path).items():
            path.with_suffix(f".{name}.prototxt").write_text(text)
