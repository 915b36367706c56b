"""LMDB reading and writing: order, growth, sharing, and databases that cannot be read."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest

from caffekit.errors import DataError, EnvironmentProblem, FormatError
from caffekit.formats import lmdb_store
from caffekit.formats.lmdb_store import LmdbReader, LmdbWriter, write_lmdb

RECORDS = [(b"%08d_x" % i, bytes([i % 256]) * (i % 7 + 1)) for i in range(2500)]


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    assert write_lmdb(tmp_path / "db", RECORDS) == 2500
    with LmdbReader(tmp_path / "db") as reader:
        assert len(reader) == 2500 and reader.first() == RECORDS[0]
        assert list(reader.records()) == RECORDS
        assert list(reader.records(2498)) == RECORDS[2498:]
        assert list(reader.records(2500)) == []
        assert reader.get(b"00000007_x") == RECORDS[7][1] and reader.get(b"none") is None
    assert [path.name for path in (tmp_path / "db").iterdir()] == ["data.mdb"]


def test_the_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_store, "FIRST_MAP", 1 << 16)
    for size, count in ((5000, 300), (2050, 2500), (1, 2500), (20_000_000, 2)):
        records = [(b"%0500d" % i, b"x" * size) for i in range(count)]
        write_lmdb(tmp_path / f"{size}", records)
        with LmdbReader(tmp_path / f"{size}") as reader, reader.views() as views:
            assert list(views) == records


def test_the_disk_writes_meanwhile_and_its_failure_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_store, "SYNC_BYTES", 1000)
    monkeypatch.setattr(lmdb_store, "BATCH_BYTES", 500)
    assert write_lmdb(tmp_path / "db", RECORDS) == 2500
    assert list(LmdbReader(tmp_path / "db").records()) == RECORDS
    writer = LmdbWriter(tmp_path / "full")
    writer._syncing = writer._background.submit(fail_to_sync)
    with pytest.raises(EnvironmentProblem, match="writing .*full: .*No space left"):
        writer.close()


def fail_to_sync() -> None:
    raise lmdb.Error(f"mdb_env_sync: {os.strerror(errno.ENOSPC)}")


def test_after_an_error_the_open_transaction_is_dropped(tmp_path: Path) -> None:
    with pytest.raises(KeyError), LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
        raise KeyError
    assert len(LmdbReader(tmp_path / "db")) == 0


def test_views_of_an_empty_database(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "db", [])
    with LmdbReader(tmp_path / "db").views() as views:
        assert list(views) == []


def test_two_readers_of_one_database_and_a_file_given_directly(tmp_path: Path) -> None:
    """A train and a test net may read the same one; LMDB itself forbids opening it twice in a process."""
    write_lmdb(tmp_path / "db", RECORDS[:5])
    first, second = LmdbReader(tmp_path / "db"), LmdbReader(tmp_path / "db" / "data.mdb")
    mixed = [(a, b) for a, b in zip(first.records(), second.records(), strict=True)]
    assert [a for a, _ in mixed] == [b for _, b in mixed] == RECORDS[:5]
    first.close()
    assert len(second) == 5
    with pytest.raises(ValueError, match="closed"):
        len(first)


def test_a_new_database_of_the_same_name_is_read_anew(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "db", RECORDS[:5])
    old = LmdbReader(tmp_path / "db")
    (tmp_path / "db").rename(tmp_path / "old")
    write_lmdb(tmp_path / "db", RECORDS[:7])
    assert len(LmdbReader(tmp_path / "db")) == 7
    assert len(old) == 5


def test_keys_must_ascend(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keys must ascend"):
        write_lmdb(tmp_path / "db", [(b"b", b""), (b"a", b"")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda db: None, "no LMDB there"),
        (lambda db: db.mkdir(), "data.mdb is missing"),
        (lambda db: (db.mkdir(), (db / "data.mdb").write_bytes(b"")), "empty file"),
        (lambda db: (db.mkdir(), (db / "data.mdb").write_bytes(b"x" * 9999)), "not a readable LMDB"),
        (lambda db: (db.mkdir(), (db / "data.mdb").write_bytes(head_32bit())), "written on a 32-bit machine"),
    ],
)
def test_what_is_no_database(tmp_path: Path, make: Callable[[Path], Any], message: str) -> None:
    make(tmp_path / "db")
    with pytest.raises(DataError, match=message):
        LmdbReader(tmp_path / "db")


def head_32bit() -> bytes:
    return bytes(12) + lmdb_store.MAGIC + bytes(9000)


def test_an_empty_database(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "db", [])
    with pytest.raises(DataError, match="is empty"):
        LmdbReader(tmp_path / "db").first()


def test_a_cut_file_is_refused_instead_of_killing_the_process(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "db", RECORDS)
    data = tmp_path / "db" / "data.mdb"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(FormatError, match=r"truncated: \d+ of \d+ bytes"):
        LmdbReader(tmp_path / "db")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_an_environment_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise lmdb.Error(f"mdb_txn_commit: {os.strerror(code)}")

    writer = LmdbWriter(tmp_path / "tmp", tmp_path / "db")
    writer.put(b"a", b"")
    monkeypatch.setattr(writer, "_txn", type("Txn", (), {"commit": fail})())
    with pytest.raises(EnvironmentProblem, match=f"writing {tmp_path}/db: .*{os.strerror(code)}") as caught:
        writer.close()
    assert caught.value.exit_code == 7
