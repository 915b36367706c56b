"""gen-lmdb, db, mean, split and balance from the command line: both spellings, exit codes, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from caffekit.cli import main
from caffekit.formats.datum import parse_datum
from caffekit.formats.lmdb_store import LmdbReader
from tests.steps.pictures import make_folder


def call(*args: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(arg) for arg in args], prog_name="caffekit")
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "raw", {"cat": 12, "dog": 6})


def test_from_folder_to_databases(folder: Path, tmp_path: Path) -> None:
    assert call("split", folder, "-o", tmp_path / "s", "--val", 0.25)[0] == 0
    assert call("balance", tmp_path / "s/train.txt", "-o", tmp_path / "b", "--method", "oversample")[0] == 0
    train, val = tmp_path / "train", tmp_path / "val"
    code, out, _ = call("gen-lmdb", tmp_path / "b/balanced.txt", "-o", train, "--resize", "8x8", "--json")
    answer = json.loads(out)
    assert (code, answer["command"], answer["labels"]) == (0, "gen-lmdb", {"0": 9, "1": 9})
    contract = tmp_path / "train.preprocess.yaml"
    assert call("gen-lmdb", tmp_path / "s/val.txt", "-o", val, "--preprocess", contract)[0] == 0
    assert call("mean", train, "-o", tmp_path / "mean")[0] == 0
    code, out, _ = call("db", "check", train, "--num-classes", 2, "--json")
    answer = json.loads(out)
    assert (code, answer["command"], answer["findings"]) == (0, "db check", [])
    assert call("db", "show", val, "--grid", tmp_path / "grid.png", "--limit", 3)[1].count("label") == 3


def test_what_was_balanced_cannot_be_split(folder: Path, tmp_path: Path) -> None:
    call("balance", folder, "-o", tmp_path / "b", "--method", "oversample")
    code, _, err = call("split", tmp_path / "b/balanced.txt", "-o", tmp_path / "s")
    assert code == 4 and "holds copies of images" in err and "hint: split first" in err


def test_findings_are_exit_3(folder: Path, tmp_path: Path) -> None:
    call("gen-lmdb", folder, "-o", tmp_path / "db")
    code, out, err = call("db", "check", tmp_path / "db", "--num-classes", 1)
    assert code == 3 and "label: a label outside 0 …" in out and not err


def test_caffe_s_own_words(folder: Path, tmp_path: Path) -> None:
    source, db = tmp_path / "a.txt", tmp_path / "db"
    source.write_text("/cat/000.png 0\ndog/000.png 1\n")
    words = ["--resize_height=6", "--resize_width=7", "-gray", "--check_size", "--backend", "lmdb"]
    code, _, err = call("gen-lmdb", *words, f"{folder}/", source, db)
    assert (code, err) == (0, "")
    with LmdbReader(db) as reader:
        found = list(reader.records())
    assert [key for key, _ in found] == [b"00000000_/cat/000.png", b"00000001_dog/000.png"], "not shuffled"
    datum = parse_datum(found[0][1])
    assert (datum.channels, datum.height, datum.width) == (1, 6, 7)


@pytest.mark.parametrize(
    ("words", "encoded"), [([], False), (["--encoded"], True), (["--encode_type", "jpg"], True)]
)
def test_caffe_s_encoding(folder: Path, tmp_path: Path, words: list[str], encoded: bool) -> None:
    source, db = tmp_path / "a.txt", tmp_path / "db"
    source.write_text("cat/000.png 0\n")
    assert call("gen-lmdb", *words, folder, source, db)[0] == 0
    with LmdbReader(db) as reader:
        datum = parse_datum(reader.first()[1])
    assert datum.encoded == encoded
    own = (folder / "cat/000.png").read_bytes()
    assert (datum.data == own) == (words == ["--encoded"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["raw"], 2, "expected SOURCE -o DB, or ROOT/ LIST DB"),
        (["raw", "a.txt"], 2, "expected SOURCE -o DB"),
        (["raw", "a.txt", "db", "-o", "db"], 2, "expected SOURCE -o DB"),
        (["--resize_width", "3", "raw", "a.txt", "db"], 2, "go together"),
        (["raw", "-o", "db", "--resize", "3"], 2, "--resize: gen_lmdb.resize: expected WIDTHxHEIGHT"),
        (["raw", "-o", "db", "--encode", "gif"], 2, "expected one of raw, jpg, png, got 'gif'"),
        (["raw", "-o", "db", "--max-rejected", "lots"], 2, "gen_lmdb.max_rejected: expected"),
        (["rwa", "-o", "db"], 4, "did you mean"),
        (["raw", "-o", "db", "--preprocess", "no.yaml"], 4, "no.yaml does not exist"),
    ],
)
def test_mistakes(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = call("gen-lmdb", *words)
    assert (found, out) == (code, "") and message in err
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_rejects_may_be_a_number_or_a_share(folder: Path, tmp_path: Path) -> None:
    (folder / "cat/000.png").write_bytes(b"")
    for allowed, code in (("1", 0), ("6%", 0), ("0", 4)):
        assert (
            call("gen-lmdb", folder, "-o", tmp_path / f"db{allowed[0]}", "--max-rejected", allowed)[0] == code
        )
