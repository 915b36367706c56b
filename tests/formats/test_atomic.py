"""Outputs are there whole or not at all, and a killed process leaves nothing for ever."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from caffekit.errors import EnvironmentProblem, UsageError, os_errors
from caffekit.formats.atomic import atomic_dir, atomic_file, sweep, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a" / "x") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a" / "x").exists()
    assert names(tmp_path / "a") == ["x"]


def test_a_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "old")
    with pytest.raises(KeyError), atomic_file(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise KeyError
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    with atomic_dir(tmp_path / "d") as temporary:
        (temporary / "f").write_text("old")
    with pytest.raises(KeyError), atomic_dir(tmp_path / "d", overwrite=True) as temporary:
        (temporary / "f").write_text("half")
        raise KeyError
    assert names(tmp_path) == ["d"]
    assert (tmp_path / "d" / "f").read_text() == "old"


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with atomic_dir(tmp_path / "d") as temporary:  # empty: nothing to lose
        (temporary / "f").write_text("one")
    with pytest.raises(UsageError, match="exists already"), atomic_dir(tmp_path / "d"):
        pass
    with atomic_dir(tmp_path / "d", overwrite=True) as temporary:
        (temporary / "g").write_text("two")
    assert names(tmp_path / "d") == ["g"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(EnvironmentProblem, match="writing .*d: No space left") as caught,
        atomic_dir(tmp_path / "d"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.exit_code == 7 and "free some space" in caught.value.hint
    assert names(tmp_path) == []


def test_messages_name_the_folder_that_was_asked_for(tmp_path: Path) -> None:
    with (
        pytest.raises(EnvironmentProblem, match="writing .*/d/f: ") as caught,
        atomic_dir(tmp_path / "d") as temporary,
        os_errors("writing", temporary / "f"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "tmp-" not in caught.value.message


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from caffekit.formats.atomic import atomic_dir\n"
        "with atomic_dir(Path(sys.argv[1])) as t:\n    (t / 'half').touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "d")])
    living = tmp_path / f".d.tmp-{os.getppid()}"
    living.mkdir()
    assert len(names(tmp_path)) == 2
    with atomic_dir(tmp_path / "d") as temporary:
        (temporary / "whole").touch()
    assert names(tmp_path) == [living.name, "d"]


def test_what_is_left_of_a_temporary_files_own_writing_goes_too(tmp_path: Path) -> None:
    left = tmp_path / "..a.txt.tmp-999999999.tmp-999999999"
    left.write_text("x")
    sweep(tmp_path / "a.txt")
    assert not left.exists()
