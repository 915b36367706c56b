"""What every command promises: one line per error, its hint, its exit code, and JSON that is JSON."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from caffekit import errors
from caffekit.cli import main
from caffekit.cli.common import as_caffekit_error
from caffekit.report import Report, dumps


def call(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def every_command(group: click.Group, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words that call each command, sub-commands included."""
    found = []
    for name, command in group.commands.items():
        inner = isinstance(command, click.Group)
        found += every_command(command, (*words, name)) if inner else [(*words, name)]
    return found


COMMANDS = every_command(main)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_says_what_it_does_with_an_example(words: tuple[str, ...]) -> None:
    result = call(*words, "--help")
    assert result.exit_code == 0
    assert f"caffekit {' '.join(words)}" in result.output.split("Options:")[0].replace("\n", " ")


def test_the_seven_subcommands_exist() -> None:
    promised = ["clean", "split", "balance", "augment", "gen-lmdb", "train", "diagnose-nan"]
    assert {(name,) for name in [*promised, "gen-prototxt", "evaluate", "run"]} <= set(COMMANDS)


def test_a_missing_folder_is_one_line_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    result = call("split", tmp_path / "imagse", "-o", tmp_path / "out")
    assert result.exit_code == 4
    assert result.stderr.splitlines() == [
        f"error: {tmp_path}/imagse does not exist",
        f"hint: did you mean {tmp_path}/images?",
    ]
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg 24 ", "a.txt:1: "),
        ("a.jpg\t3", "a.txt:1: "),
        ("a.jpg cat", "a.txt:1: "),
        ("a.jpg -1", "a.txt:1: "),
        ("a.jpg", "a.txt:1: "),
    ],
)
def test_a_bad_list_is_named_by_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(line + "\n")
    result = call("split", tmp_path / "a.txt", "-o", tmp_path / "out", "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == answer["exit_code"] == 4
    assert answer["status"] == "failed"
    assert answer["error"]["kind"] == "format"
    assert message in answer["error"]["message"]
    assert answer["error"]["hint"]


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (tmp_path / "raw" / "cat").mkdir(parents=True)
    (tmp_path / "raw" / "dog").mkdir()
    (tmp_path / "raw" / "cat" / "a.png").write_bytes(b"x")
    result = call("split", tmp_path / "raw", "-o", tmp_path / "out")
    assert result.exit_code == 4
    assert "dog" in result.stderr


def test_a_yaml_typo_is_found_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("version: 1\nsplit: {vall: 0.1}\nsolver:\n  base_rl: 1\n")
    result = call("split", tmp_path, "-o", tmp_path / "out", "-c", tmp_path / "p.yaml")
    assert result.exit_code == 2
    assert "p.yaml:2: split.vall" in result.stderr and "did you mean val" in result.stderr
    assert "p.yaml:4: solver.base_rl" in result.stderr and "did you mean base_lr" in result.stderr


def test_usage_mistakes_obey_json(tmp_path: Path) -> None:
    result = call("split", "x", "--json", "--vall", "0.2")
    answer = json.loads(result.stdout)
    assert result.exit_code == answer["exit_code"] == 2
    assert answer["command"] == "split"
    assert answer["error"]["kind"] == "usage"
    assert "Did you mean '--val'" in result.stderr


def test_an_unknown_command_is_guessed() -> None:
    result = call("trian")
    assert result.exit_code == 2
    assert "Did you mean 'train'" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 7),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 7),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), 4),
        (KeyboardInterrupt(), 130),
        (errors.Locked("locked"), 75),
        (errors.EngineDied("died"), 8),
    ],
)
def test_every_error_has_its_exit_code(error: BaseException, code: int) -> None:
    ours = as_caffekit_error(error)
    assert ours.exit_code == code
    assert "\n" not in ours.message


def test_a_bug_is_admitted_and_its_traceback_kept() -> None:
    try:
        raise RuntimeError("surprise\nwith lines")
    except RuntimeError as error:
        ours = as_caffekit_error(error)
    assert ours.exit_code == 1
    assert ours.message == "bug in caffekit: RuntimeError: surprise"
    kept = Path(ours.hint.split()[-1])
    assert "Traceback" in kept.read_text()
    kept.unlink()


def test_numbers_that_json_has_not() -> None:
    text = dumps({"a": float("nan"), "b": [float("inf"), -float("inf")], "c": Path("x")})
    assert json.loads(text) == {"a": "nan", "b": ["inf", "-inf"], "c": "x"}


def test_a_failed_report_keeps_what_was_done() -> None:
    report = Report("train", {"iterations": 7}).fail(errors.Paused("time is up", "go on"))
    answer = report.as_json()
    assert (answer["iterations"], answer["exit_code"], answer["error"]["kind"]) == (7, 9, "paused")


def test_sigterm_ends_with_143(tmp_path: Path) -> None:
    code = (
        "import time\nfrom caffekit.cli import main\nimport caffekit.steps.split as s\n"
        "def slow(*a, **k):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "s.split = slow\nmain(['split', 'x', '-o', 'y'])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert child.stdout and child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 143
    assert "error: terminated" in err and "Traceback" not in err


def test_help_starts_in_a_moment() -> None:
    """0.3 s is the promise; the limit here is loose, since tests run side by side."""
    times = []
    for _ in range(3):
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "caffekit", "clean", "--help"], check=True, capture_output=True)
        times.append(time.monotonic() - start)
    assert min(times) < 1.5


def test_a_reader_that_goes_away_leaves_no_noise() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    child = subprocess.run(
        [sys.executable, "-m", "caffekit", "--help"], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert child.stderr == b""
