"""Each lint rule: tests/cases/lint/RULE.bad.prototxt, in which it finds something, and a near miss, .good.

A first line `# facts: {…}` has what is known besides the files; RULE.*.solver and RULE.*.train are read, too.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffekit.formats.binaryproto import write_mean
from caffekit.formats.blobs import to_blob
from caffekit.netgen.lint import RULES, SEVERITIES, lint
from caffekit.steps.lint_facts import read_files, read_net_file, subject_of

CASES = Path(__file__).parent.parent / "cases" / "lint"


def findings(rule: str, kind: str) -> list[dict[str, Any]]:
    """What `rule` finds in one case."""
    path = CASES / f"{rule}.{kind}.prototxt"
    solver, train = (path.with_suffix(f".{name}.prototxt") for name in ("solver", "train"))
    nets, solvers = read_files([path], solver if solver.exists() else None)
    facts = json.loads(path.read_text().splitlines()[0].removeprefix("# facts: "))
    trained = read_net_file(train) if train.exists() else None
    subject = subject_of(nets[0], solvers[0] if solvers else None, trained, facts.get("target", ""))
    if "shape" in facts:
        subject.shapes = {"TRAIN": tuple(facts["shape"]), "TEST": tuple(facts["shape"])}
    subject.classes, subject.images = facts.get("classes"), facts.get("images", {})
    subject.at_home = facts.get("at_home", False)
    for phase, labels in facts.get("labels", {}).items():
        subject.labels[phase] = Counter({int(label): count for label, count in labels.items()})
    found = lint(subject, nets[0].lines, solvers[0].lines if solvers else {})
    return [one for one in found if one["rule"] == rule]


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that cases name, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snapshots").mkdir()
    for side in (28, 32):
        write_mean(Path(f"mean_1x{side}x{side}.binaryproto"), np.zeros((1, side, side), np.float32))
    diagonal = np.diag([1.0, 2, 3, 4, 5])
    for name, matrix in (("diagonal", diagonal), ("not_stochastic", diagonal + 0.5)):
        Path(f"h_{name}.binaryproto").write_bytes(to_blob(matrix[None, None]).SerializeToString())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_its_case_and_lets_the_near_miss_pass(rule: str) -> None:
    found = findings(rule, "bad")
    assert found, f"{rule} finds nothing in {rule}.bad.prototxt"
    for one in found:
        assert one["message"] and one["fix"] and one["why"] and one["source"]
        assert one["severity"] in SEVERITIES and one["line"] >= 1
    assert findings(rule, "good") == []


def test_every_case_belongs_to_a_rule() -> None:
    assert {path.name.split(".")[0] for path in CASES.iterdir()} == set(RULES)
