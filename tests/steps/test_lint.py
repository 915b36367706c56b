"""lint on files: exit codes, places, what the named databases add."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caffekit.config import load_settings
from caffekit.errors import DataError, FormatError, UsageError
from caffekit.report import Report
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
    assert report.exit_code == 0
    assert {one["severity"] for one in report.summary["findings"]} == {"note"}  # LeNet is as it was published
    assert all(len(line) <= 80 for line in report.lines if str(net) not in line)


def test_findings_are_exit_3_with_file_and_line(net: Path) -> None:
    train_val, solver = net / "train_val.prototxt", net / "solver.prototxt"
    edit(train_val, "num_output: 10", "num_output: 4")
    edit(solver, "test_iter: 1\n", "test_iter: 3\n")
    edit(solver, '"step"', '"stepp"')
    report = lint([train_val], solver, net.parent / "train")
    assert report.exit_code == 3
    found = {one["rule"]: one for one in report.summary["findings"] if one["severity"] != "note"}
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
    assert faults(report) == [("solver-words", 'type: "SGD"')]
    assert faults(lint([net / "solver.prototxt"])) == faults(report)  # it shows by itself what it is


def faults(report: Report) -> list[tuple[str, str]]:
    return [(one["rule"], one["fix"]) for one in report.summary["findings"] if one["severity"] != "note"]


def test_one_finding_of_the_solver_for_two_nets(net: Path) -> None:
    edit(net / "solver.prototxt", '"SGD"', '"sgd"')
    report = lint([net / "train_val.prototxt", net / "deploy.prototxt"], net / "solver.prototxt")
    assert len(faults(report)) == 1


def test_what_is_not_there(net: Path) -> None:
    with pytest.raises(UsageError, match="nothing to look at"):
        lint([])
    with pytest.raises(DataError, match="no.prototxt"):
        lint([net / "no.prototxt"])
    with pytest.raises(DataError, match="no-db"):
        lint([net / "train_val.prototxt"], db=net / "no-db")
    edit(net / "train_val.prototxt", "name:", "name")
    with pytest.raises(FormatError, match=r"train_val.prototxt:\d+"):
        lint([net / "train_val.prototxt"])
    with pytest.raises(UsageError, match="no target 'nnei'; did you mean nnie"):
        lint([net / "deploy.prototxt"], target="nnei")


def test_what_bvlc_does_not_know_is_named_and_the_rest_is_looked_at(net: Path) -> None:
    path = net / "train_val.prototxt"
    edit(path, "num_output: 50", "num_outputs: 50")
    edit(path, "pool: MAX", "pool: MAXX")
    edit(path, 'name: "LeNet"', 'name: "LeNet"\ndefault_forward_type: FLOAT16')
    report = lint([path])
    found = [one for one in report.summary["findings"] if one["rule"] == "unknown-field"]
    lines = path.read_text().splitlines()
    assert [one["line"] for one in found] == [line_of(path, w) for w in ("FLOAT16", "MAXX", "num_outputs")]
    assert "NVIDIA" in found[0]["message"] and 'did you mean "num_output"' in found[2]["message"]
    assert 'did you mean "MAX"' in found[1]["message"] and len(lines) > 20


def test_a_deployed_net_is_held_against_the_one_that_learns(net: Path) -> None:
    edit(net / "deploy.prototxt", "num_output: 50", "num_output: 40")
    report = lint([net / "train_val.prototxt", net / "deploy.prototxt"])
    assert faults(report) == [("deploy-mismatch", "num_output: 50")]


def test_facts_instead_of_a_database(net: Path) -> None:
    edit(net / "train_val.prototxt", str(net.parent / "train"), "nowhere")
    assert faults(lint([net / "train_val.prototxt"])) == []
    code, out, _ = call("lint", net / "train_val.prototxt", "--classes", 7, "--data-shape", "1,2,2", "--json")
    rules = {one["rule"] for one in json.loads(out)["findings"] if one["severity"] == "error"}
    assert code == 3 and "kernel-larger-than-input" in rules
    assert call("lint", net / "train_val.prototxt", "--data-shape", "1,2")[0] == 2


def test_explain() -> None:
    code, out, _ = call("explain", "pooling-window")
    assert code == 0 and "pooling_layer.cpp" in out and "fix:" in out
    code, out, _ = call("explain", "83.3365", "--json")
    assert code == 0 and "87.3365 = -log(FLT_MIN)" in json.loads(out)["text"]
    assert "diverged" in call("explain", "5")[1]
    code, _, err = call("explain", "pooling-windw")
    assert code == 2 and "did you mean pooling-window?" in err


def test_from_the_command_line(net: Path) -> None:
    edit(net / "solver.prototxt", '"step"', '"stepp"')
    code, out, err = call("lint", net / "train_val.prototxt", "--solver", net / "solver.prototxt", "--json")
    answer = json.loads(out)
    assert (code, answer["status"], answer["exit_code"], err) == (3, "ok", 3, "")
    assert {"rule", "severity", "layer", "line", "message", "fix", "source"} <= set(answer["findings"][0])
