"""config show and gen-prototxt from the command line: exit codes, streams, JSON."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from caffekit.cli import main
from tests.steps.databases import make_db, make_training_db


def call(*args: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(arg) for arg in args], prog_name="caffekit")
    return done.exit_code, done.stdout, done.stderr


def test_a_typo_in_the_config_is_exit_2_and_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nsolver:\n  base_lrr: 1\n  epochs: many\n")
    code, out, err = call("gen-prototxt", "-c", path, "-o", tmp_path / "net")
    assert code == 2 and not out
    first, second, hint = err.splitlines()
    assert first == f"error: {path}:3: solver.base_lrr: unknown key; did you mean base_lr?"
    assert second == f"{path}:4: solver.epochs: expected a number above 0, got 'many'"
    assert hint.startswith("hint: ")


def test_a_missing_config_is_exit_2_with_near_names(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").touch()
    code, _, err = call("config", "show", "-c", tmp_path / "pipelin.yaml")
    assert code == 2 and "did you mean pipeline.yaml?" in err


def test_config_show(tmp_path: Path) -> None:
    code, out, _ = call("config", "show", "--set", "solver.base_lr=1e-3")
    assert code == 0 and "  base_lr: 0.001" in out.splitlines()
    code, out, _ = call("config", "show", "--json")
    assert code == 0 and json.loads(out)["settings"]["version"] == 1


def test_gen_prototxt(tmp_path: Path) -> None:
    make_training_db(tmp_path / "w/run/train_lmdb", 30)
    make_db(tmp_path / "w/run/val_lmdb", 10)
    args = ("gen-prototxt", "-o", tmp_path / "net", "--set", f"data.work={tmp_path / 'w'}")
    code, out, err = call(*args, "--json")
    answer = json.loads(out)
    assert (code, answer["status"], err) == (0, "ok", "")
    assert Path(answer["files"]["solver"]).is_file()
    code, out, _ = call(*args)
    assert code == 2
    code, out, _ = call(*args, "--overwrite")
    assert (
        code == 0
        and out.splitlines()[-1] == f"next: caffekit train --solver {tmp_path / 'net/solver.prototxt'}"
    )


def test_gen_prototxt_without_data_is_exit_4(tmp_path: Path) -> None:
    code, out, _ = call("gen-prototxt", "-o", tmp_path / "net", "--train-db", tmp_path / "no", "--json")
    assert code == 4 and json.loads(out)["error"]["kind"] == "data"
    assert not (tmp_path / "net").exists()
