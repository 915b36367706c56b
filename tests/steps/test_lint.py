"""lint on files: exit codes, places, what the named databases add."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caffekit.config import load_settings
from caffekit.errors import DataError, FormatError, UsageError
from caffekit.steps.gen_prototxt import gen_prototxt
from caffekit.steps.lint import lint
from tests.cli.test_nets import call
from tests.steps.databases import make_db, make_training_db


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A generated net whose databases exist."""
    train, val = make_training_db(tmp_path / "train", 70), make_db(tmp_path / "val", 20)
    gen_prototxt(tmp_path / "net", load_settings(), train_db=train, test_db=val)
    return tmp_path / "net"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_what_was_generated_is_clean(net: Path) -> None:
    report = lint(
        [net / "train_val.prototxt", net / "deploy.prototxt"], net / "solver.prototxt", net.parent / "train"
    )
    assert (report.exit_code, report.summary) == (0, {"findings": []})
    assert report.lines[0].startswith("0 findings in ")


def test_findings_are_exit_3_with_file_and_line(net: Path) -> None:
    train_val, solver = net / "train_val.prototxt", net / "solver.prototxt"
    edit(train_val, "num_output: 10", "num_output: 4")
    edit(solver, "test_iter: 1\n", "test_iter: 3\n")
    edit(solver, '"step"', '"stepp"')
    report = lint([train_val], solver, net.parent / "train")
    assert report.exit_code == 3
    found = {one["rule"]: one for one in report.summary["findings"]}
    assert set(found) == {"num-output", "test-coverage", "solver-words"}
    line = next(i for i, text in enumerate(solver.read_text().splitlines(), 1) if "stepp" in text)
    assert (found["solver-words"]["file"], found["solver-words"]["line"]) == (str(solver), line)
    assert found["num-output"]["file"] == str(train_val)
    name = train_val.read_text().splitlines()[found["num-output"]["line"] - 1 :][:2]
    assert "layer" in name[0] and "ip2" in name[1]
    assert any(
        line.startswith(f"{solver}:{line_of(solver, 'stepp')}: error: unknown") for line in report.lines
    )


def line_of(path: Path, word: str) -> int:
    return next(i for i, text in enumerate(path.read_text().splitlines(), 1) if word in text)


def test_a_solver_alone(net: Path) -> None:
    edit(net / "solver.prototxt", '"SGD"', '"sgd"')
    report = lint([], net / "solver.prototxt")
    assert [one["fix"] for one in report.summary["findings"]] == ['type: "SGD"']


def test_one_finding_of_the_solver_for_two_nets(net: Path) -> None:
    edit(net / "solver.prototxt", '"SGD"', '"sgd"')
    report = lint([net / "train_val.prototxt", net / "deploy.prototxt"], net / "solver.prototxt")
    assert len(report.summary["findings"]) == 1


def test_what_is_not_there(net: Path) -> None:
    with pytest.raises(UsageError, match="nothing to look at"):
        lint([])
    with pytest.raises(DataError, match="no.prototxt"):
        lint([net / "no.prototxt"])
    with pytest.raises(DataError, match="no-db"):
        lint([net / "train_val.prototxt"], db=net / "no-db")
    edit(net / "train_val.prototxt", "num_output", "num_outputs")
    with pytest.raises(FormatError, match=r"train_val.prototxt:\d+.*num_output"):
        lint([net / "train_val.prototxt"])


def test_from_the_command_line(net: Path) -> None:
    edit(net / "solver.prototxt", '"step"', '"stepp"')
    code, out, err = call("lint", net / "train_val.prototxt", "--solver", net / "solver.prototxt", "--json")
    answer = json.loads(out)
    assert (code, answer["status"], answer["exit_code"], err) == (3, "ok", 3, "")
    assert {"rule", "severity", "layer", "line", "message", "fix", "source"} <= set(answer["findings"][0])
